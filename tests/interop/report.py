#!/usr/bin/env python3
"""report.py MODE RELEASES PROMISES OUT: the matrix of tests/interop/run.

RELEASES: a line a release, label, root, build directory, OTP, libsodium. PROMISES: a line a
promise, group, column, verdict, suite, promise. Prints the matrix, and writes matrix.json,
matrix.html and matrix.md to the directory OUT. Exit status 1 if a promise was broken.
"""
import datetime
import html
import json
import os
import platform
import sys

CELL = {'pass': 'ok', 'fail': 'FAILED', 'skip': '-', None: ''}
GROUPS = {'pairs': 'Pairs: what is left of the arrow dials',
          'meshes': 'Meshes of all releases',
          'applications': 'Applications'}


def lines(path):
    with open(path, encoding='utf-8') as file:
        return [line.rstrip('\n').split('\t') for line in file]


class Group:
    """Rows, (suite, promise), and columns; cells: (row, column) to (verdict, why)."""

    def __init__(self, promises):
        self.columns = list(dict.fromkeys(p[1] for p in promises))
        kept = {(p[3], p[4]): None for p in promises if p[2] != 'skip'}
        self.cells = {}
        rows = {}
        for _, column, verdict, suite, title in promises:
            row, why = (suite, title), ''
            if verdict == 'skip':
                row, why = self.of_skipped(suite, title, kept)
            rows[row] = None
            self.cells[row, column] = (verdict, why)
        suites = list(dict.fromkeys(suite for suite, _ in rows))
        self.rows = sorted(rows, key=lambda row: suites.index(row[0]))

    @staticmethod
    def of_skipped(suite, title, kept):
        """What is skipped has its reason behind the promise: "promise (why)"."""
        whole = [row for row in kept if row[0] == suite and title.startswith(row[1] + ' (')]
        promise = max((row[1] for row in whole), key=len, default=title.rsplit(' (', 1)[0])
        return (suite, promise), title[len(promise) + 2:-1]

    def verdict(self, row, column):
        return self.cells.get((row, column), (None, ''))[0]

    def count(self, verdict, column=None, suite=None):
        return sum(1 for (row, col), (v, _) in self.cells.items()
                   if v == verdict and column in (None, col) and suite in (None, row[0]))

    def suites(self):
        return list(dict.fromkeys(suite for suite, _ in self.rows))


def show(groups):
    for name, group in groups.items():
        width = max(len(row[1]) for row in group.rows)
        width = min(width, 78)
        print('\n%s\n%-*s  %s' % (GROUPS[name], width, '', '  '.join(
            '%-6s' % column for column in group.columns)))
        for row in group.rows:
            title = row[1] if len(row[1]) <= width else row[1][:width - 3] + '...'
            print('%-*s  %s' % (width, title, '  '.join(
                '%-*s' % (max(6, len(column)), CELL[group.verdict(row, column)])
                for column in group.columns)))


def markdown(groups, releases, today):
    """A line a suite: how many of its promises held. It is for README.md beside it."""
    text = ['%s. ' % today + '; '.join('OTP %s with libsodium %s' % (r[3], r[4])
                                       for r in releases), '']
    for name, group in groups.items():
        text += ['| %s | %s |' % (GROUPS[name], ' | '.join(group.columns)),
                 '|---' * (len(group.columns) + 1) + '|']
        for suite in group.suites():
            cells = []
            for column in group.columns:
                n = {v: group.count(v, column, suite) for v in CELL}
                cells.append(', '.join(
                    ([str(n['pass'])] if n['pass'] else []) +
                    (['**%d failed**' % n['fail']] if n['fail'] else []) +
                    (['%d not there' % n['skip']] if n['skip'] else [])))
            text.append('| %s | %s |' % (suite, ' | '.join(cells)))
        text.append('')
    return '\n'.join(text)


def page(groups, releases, today, mode):
    escape = html.escape
    out = ['<!doctype html><meta charset="utf-8"><title>Tacit: interoperation</title>',
           '<style>body{font:15px sans-serif;margin:2em}td,th{padding:.2em .7em;'
           'text-align:left;border-bottom:1px solid #ddd}.pass{color:#080}.skip{color:#777}'
           '.fail{background:#c00;color:#fff}</style>',
           '<h1>What holds between which releases</h1><p>%s, %s mode.</p><ul>' % (today, mode)]
    out += ['<li>%s: OTP %s, libsodium %s</li>' % tuple(map(escape, (r[0], r[3], r[4])))
            for r in releases]
    out.append('</ul>')
    for name, group in groups.items():
        out.append('<h2>%s</h2><table><tr><th></th>%s</tr>' % (GROUPS[name], ''.join(
            '<th>%s</th>' % escape(column) for column in group.columns)))
        suite = None
        for row in group.rows:
            if row[0] != suite:
                suite = row[0]
                out.append('<tr><th colspan="%d">%s</th></tr>' %
                           (len(group.columns) + 1, escape(suite)))
            cells = [group.cells.get((row, column), (None, '')) for column in group.columns]
            out.append('<tr><td>%s</td>%s</tr>' % (escape(row[1]), ''.join(
                '<td class="%s" title="%s">%s</td>' % (verdict or '', escape(why), CELL[verdict])
                for verdict, why in cells)))
        out.append('</table>')
    return '\n'.join(out) + '\n'


def as_json(groups, releases, today, mode):
    return {
        'date': today, 'mode': mode, 'machine': ' '.join(platform.uname()[0:3:2]),
        'processors': os.cpu_count(),
        'releases': [{'label': r[0], 'otp': r[3], 'libsodium': r[4]} for r in releases],
        'groups': {name: {'columns': group.columns, 'rows': [
            {'suite': row[0], 'promise': row[1], 'cells': {
                column: dict(zip(('verdict', 'why'), group.cells[row, column]))
                for column in group.columns if (row, column) in group.cells}}
            for row in group.rows]} for name, group in groups.items()}}


def main(mode, releases_file, promises_file, out):
    releases, promises = lines(releases_file), lines(promises_file)
    groups = {name: Group([p for p in promises if p[0] == name]) for name in GROUPS
              if any(p[0] == name for p in promises)}
    today = datetime.date.today().isoformat()
    with open(os.path.join(out, 'matrix.json'), 'w', encoding='utf-8') as file:
        json.dump(as_json(groups, releases, today, mode), file, indent=1, ensure_ascii=False)
    with open(os.path.join(out, 'matrix.html'), 'w', encoding='utf-8') as file:
        file.write(page(groups, releases, today, mode))
    with open(os.path.join(out, 'matrix.md'), 'w', encoding='utf-8') as file:
        file.write(markdown(groups, releases, today))
    show(groups)
    n = {v: sum(g.count(v) for g in groups.values()) for v in ('pass', 'fail', 'skip')}
    print('\n%(pass)d held, %(fail)d broken, %(skip)d not there' % n)
    sys.exit(0 if n['pass'] and not n['fail'] else 1)


main(*sys.argv[1:])
