"""What every lint shares: the list of files, the way to complain, the way to leave."""

import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
SKIPPED = 77
# Bad on purpose: only the self tests look at them.
PLANTED = "tests/lint/planted/"


class Lint:
    """One run of a lint over one tree. `complain` as often as needed, then `leave`."""

    def __init__(self, description, **options):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--root", default=os.path.join(HERE, "..", ".."), help="the tree (default: this one)")
        for name, default in options.items():
            parser.add_argument("--" + name, default=default)
        self.options = parser.parse_args()
        self.root = os.path.realpath(self.options.root)
        self.complaints = 0

    def files(self, *endings, under=("",)):
        """The tree's files, tracked or about to be, that end so and stand below one of `under`."""
        return [path for path in self._all_files()
                if (not endings or path.endswith(endings)) and path.startswith(tuple(under))]

    def _all_files(self):
        listing = subprocess.run(["git", "-C", self.root, "ls-files", "--cached", "--others", "--exclude-standard"],
                                 capture_output=True, text=True)
        if listing.returncode == 0 and os.path.exists(os.path.join(self.root, ".git")):
            paths = listing.stdout.split("\n")
        else:  # a tree without its history, or a planted one
            paths = [os.path.relpath(os.path.join(folder, name), self.root)
                     for folder, _, names in os.walk(self.root) for name in names]
        return sorted(path for path in set(paths) if path and not path.startswith((PLANTED, "build/"))
                      and os.path.isfile(os.path.join(self.root, path)))

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def read(self, path):
        with open(self.path(path), encoding="utf-8", errors="replace") as file:
            return file.read()

    def complain(self, where, what):
        self.complaints += 1
        print(f"{where}: {what}")

    def need(self, *tools):
        for tool in tools:
            if not have(tool):
                print(f"skipped: {tool} is not installed")
                sys.exit(SKIPPED)

    def run(self, command, **kwargs):
        """Runs a tool quietly and gives its outcome; kwargs as for subprocess.run."""
        return subprocess.run(command, cwd=kwargs.pop("cwd", self.root), capture_output=True, text=True, **kwargs)

    def configure(self, name, *settings, targets=("all",)):
        """Configures and builds the tree in build/lint-NAME; the folder, or the end of the lint."""
        folder = self.path("build", "lint-" + name)
        command = ["cmake", "-S", self.root, "-B", folder, "-G", "Ninja" if have("ninja") else "Unix Makefiles",
                   "-DTHRUM_TESTS=OFF", "-DTHRUM_BENCH=OFF", *settings]
        steps = [command]
        if targets:
            steps.append(["cmake", "--build", folder, "-j2", "--target", *targets])
        for step in steps:
            outcome = self.run(step)
            if outcome.returncode != 0:
                print(outcome.stdout + outcome.stderr)
                self.complain(folder, "does not build: " + " ".join(step))
                self.leave()
        return folder

    def leave(self):
        if self.complaints:
            print(f"{self.complaints} complaint{'s' if self.complaints > 1 else ''}")
        sys.exit(1 if self.complaints else 0)


def have(tool):
    return any(os.access(os.path.join(folder, tool), os.X_OK) for folder in os.environ["PATH"].split(":"))


def blank_comments(text, keep_strings=True):
    """C source with its comments (and strings) replaced by blanks, so that lines and columns stay."""
    out, at, size = [], 0, len(text)
    while at < size:
        pair, char = text[at:at + 2], text[at]
        if pair == "/*":
            end = text.find("*/", at + 2)
            end = size if end < 0 else end + 2
        elif pair == "//":
            end = text.find("\n", at)
            end = size if end < 0 else end
        elif char in "\"'":
            end = at + 1
            while end < size and text[end] != char and text[end] != "\n":
                end += 2 if text[end] == "\\" else 1
            end = min(end + 1, size)
            if keep_strings:
                out.append(text[at:end])
                at = end
                continue
        else:
            out.append(char)
            at += 1
            continue
        out.append("".join("\n" if c == "\n" else " " for c in text[at:end]))
        at = end
    return "".join(out)
