"""Prints, as JSON, which recipes python-for-android takes for some requirements, and what is left.

It runs in a virtual environment that has python-for-android. No NDK is needed: nothing is built.
"""

import json
import sys
import tempfile

from pythonforandroid.bootstrap import Bootstrap
from pythonforandroid.build import Context
from pythonforandroid.graph import get_recipe_order_and_bootstrap
from pythonforandroid.recipe import Recipe

context = Context()
context.python_recipe = None
context.storage_dir = tempfile.mkdtemp()
bootstrap = Bootstrap.get_bootstrap("sdl2", context)
# A version that is asked for is built instead of the recipe's own.
asked = {name: version for name, _, version in (it.partition("==") for it in sys.argv[1:])}
order, modules, _ = get_recipe_order_and_bootstrap(context, list(asked), bootstrap)
versions = {it: asked.get(it) or Recipe.get_recipe(it, context).version or "" for it in order}
print(json.dumps({"recipes": versions, "modules": sorted(modules)}))
