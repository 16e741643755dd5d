"""Hongyan's app: what is seen and touched. All that it knows comes from hongyan_client.

Importing it sets what Kivy reads from the environment when it is first imported.
"""

import os

# Kivy would take the command line and write files of its own.
os.environ.setdefault("KIVY_NO_ARGS", "1")
os.environ.setdefault("KIVY_NO_FILELOG", "1")
os.environ.setdefault("KIVY_NO_CONFIG", "1")
os.environ.setdefault("KIVY_LOG_MODE", "PYTHON")
# Windows shows what an input method composes only if it is told so before the window is there.
os.environ.setdefault("SDL_IME_SHOW_UI", "1")
