"""Prints, as JSON, which recipes kivy-ios takes for some requirements, and what is left.

It runs in a virtual environment that has kivy-ios. No Mac is needed: nothing is built.
"""

import json
import sys
from types import SimpleNamespace

from kivy_ios.toolchain import Graph, Recipe

# What a recipe asks of the toolchain before it builds: nothing is kept of a build before.
context = SimpleNamespace(custom_recipes_paths=[], state={}, root_dir="")
graph, versions, modules = Graph(), {}, set()
waiting = list(sys.argv[1:])
while waiting:
    name = waiting.pop().partition("==")[0]
    if name in versions or name in modules:
        continue
    try:
        recipe = Recipe.get_recipe(name, context)
    except (KeyError, ModuleNotFoundError):
        modules.add(name)
        continue
    versions[name] = recipe.version or ""
    modules.update(recipe.python_depends)
    graph.add(name, name)
    for other in recipe.depends:
        graph.add(name, other)
        waiting.append(other)
order = {it: versions[it] for it in graph.find_order()}
print(json.dumps({"recipes": order, "modules": sorted(modules)}))
