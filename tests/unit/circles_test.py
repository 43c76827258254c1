#!/usr/bin/env python3
"""circles_test.py NAME=OBJECT_DIRECTORY...: in no room do more than four files need each other.

Who calls whom is what nm says of the objects. TAP on standard output.
"""
import pathlib
import subprocess
import sys

MOST = 4


def calls(folder):
    """For each object of the folder those of it that it calls."""
    paths = sorted(str(path) for path in pathlib.Path(folder).glob("*.o"))
    out = subprocess.run(["nm", "-A", "-P", "-g", *paths], capture_output=True, text=True, check=True).stdout
    owner, wanted = {}, {path: set() for path in paths}
    for line in out.splitlines():
        path, name, kind = line.split()[:3]
        path = path.rstrip(":")
        if kind == "U":
            wanted[path].add(name)
        else:
            owner[name] = path
    return {path: {owner[name] for name in names if owner.get(name, path) != path} for path, names in wanted.items()}


def reached(graph, start):
    """All that start leads to."""
    seen, left = set(), list(graph[start])
    while left:
        node = left.pop()
        if node not in seen:
            seen.add(node)
            left.extend(graph[node])
    return seen


def largest(graph):
    """The largest circle: those that lead to each other."""
    far = {node: reached(graph, node) for node in graph}
    circles = [{other for other in far[node] if node in far[other]} for node in graph]
    return max(circles, key=len, default=set())


def main():
    print(f"1..{len(sys.argv) - 1}")
    for number, argument in enumerate(sys.argv[1:], 1):
        name, folder = argument.split("=", 1)
        graph = calls(folder)
        circle = sorted(pathlib.Path(path).name.removesuffix(".c.o") for path in largest(graph))
        good = bool(graph) and len(circle) <= MOST
        print(f"{'ok' if good else 'not ok'} {number} - no more than {MOST} files of {name} need each other"
              + ("" if good else f", but: {' '.join(circle) or 'there is no object'}"))


main()
