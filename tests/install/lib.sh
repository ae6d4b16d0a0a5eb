# shellcheck shell=bash
# What the scripts of this folder share. To be sourced with the test's arguments; ctest sets the environment
# (CMakeLists.txt). WORK is made anew, and the script stands in it.

set -euo pipefail
export LC_ALL=C.UTF-8

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

say() { printf -- '-- %s\n' "$*"; }

configure() { "$CMAKE" -G "$GENERATOR" "-DCMAKE_MAKE_PROGRAM=$MAKE_PROGRAM" "$@"; }

if [ -n "${1:-}" ]; then
    printf 'skipped: %s\n' "$1"
    exit 77
fi
: "${VERSION:?ctest sets it}" "${SOURCE:?}" "${BUILD:?}" "${WORK:?}" "${CMAKE:?}" "${CC:?}" "${CXX:?}" "${GENERATOR:?}"
: "${MAKE_PROGRAM:?}" "${JEMALLOC:?}" "${NM:?}" "${READELF:?}" "${CONTEXT_LIBRARY:?}" "${CONTEXT_HEADER:?}"
unset CFLAGS CXXFLAGS CPPFLAGS LDFLAGS LD_LIBRARY_PATH PKG_CONFIG_PATH
rm -rf "$WORK"
mkdir -p "$WORK"
cd "$WORK"
