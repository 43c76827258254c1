#!/usr/bin/env python3
"""meson_results.py INTRO LOG RESULTS LOGS: the promises of the tests that meson ran.

INTRO lists the tests (meson introspect --tests), LOG says how they went (testlog.json).
To the file RESULTS goes one line a promise, "pass|fail|skip<TAB>c/suite<TAB>promise". A test
that prints TAP makes one promise a line, any other test one as a whole. What a test printed
goes to LOGS/c/SUITE.log.

meson_results.py --list INTRO: the names of the tests.
meson_results.py --tap SUITE FILE RESULTS: the promises of a suite that printed TAP.
"""
import json
import os
import re
import sys

TAP_LINE = re.compile(r'(not )?ok\b\s*\d*\s*-?\s*([^#]*)(#\s*(skip|todo)\b.*)?', re.I)
SKIPPED = {'SKIP', 'EXPECTEDFAIL'}
EXIT_SKIPPED = 77  # newer releases of meson heed it in a test that prints TAP, older do not


def of_tap(text):
    """The promises of TAP: (verdict, promise)."""
    for line in text.splitlines():
        match = TAP_LINE.match(line)
        if match is None:
            continue
        failed, promise, _, directive = match.groups()
        if directive:
            verdict = 'skip'
        else:
            verdict = 'fail' if failed else 'pass'
        yield verdict, promise.strip() or 'unnamed'


def promises(test, tap):
    name, result = test['name'], test['result']
    found = list(of_tap(test.get('stdout', ''))) if tap else []
    verdicts = [verdict for verdict, _ in found]
    skipped = not found and test.get('returncode') == EXIT_SKIPPED
    if (skipped or result in SKIPPED) and 'fail' not in verdicts:
        return found or [('skip', name)]
    if result != 'OK' and 'fail' not in verdicts:
        # It crashed, ran into its time limit, or printed less than its plan says.
        return found + [('fail', 'it runs to its end (%s, exit status %s)' %
                         (result.lower(), test.get('returncode')))]
    if not found:
        return [('pass' if result == 'OK' and not tap else 'fail', name)]
    return found


def protocols(intro):
    """How each test reports: its name to "tap", "exitcode" and so on."""
    with open(intro, encoding='utf-8') as file:
        return {test['name']: test['protocol'] for test in json.load(file)}


def append(results, suite, found):
    """In one piece: other suites write to the file, too."""
    lines = ''.join('%s\t%s\t%s\n' % (verdict, suite, promise) for verdict, promise in found)
    with open(results, 'ab', buffering=0) as out:
        out.write(lines.encode())


def tap(suite, log, results):
    with open(log, encoding='utf-8', errors='replace') as file:
        text = file.read()
    found = list(of_tap(text))
    plan = re.search(r'^1\.\.(\d+)', text, re.M)
    if plan is None or len(found) != int(plan.group(1)):
        found.append(('fail', 'it runs to its end'))
    append(results, suite, found or [('skip', suite)])


def main(intro, log, results, logs):
    protocol = protocols(intro)
    with open(log, encoding='utf-8') as file:
        tests = [json.loads(line) for line in file]
    for test in tests:
        test['name'] = test['name'].split(':')[-1]  # newer: after the project's name
    for test in tests:
        suite = 'c/' + test['name']
        append(results, suite, promises(test, protocol.get(test['name']) == 'tap'))
        path = os.path.join(logs, suite + '.log')
        with open(path, 'w', encoding='utf-8', errors='replace') as file:
            file.write(test.get('stdout', '') + test.get('stderr', ''))


if sys.argv[1] == '--list':
    print(*protocols(sys.argv[2]))
elif sys.argv[1] == '--tap':
    tap(*sys.argv[2:])
else:
    main(*sys.argv[1:])
