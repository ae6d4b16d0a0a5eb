# shellcheck shell=bash
# What samples/run, tests/run, tests/aarch64/run and .ci/run share. To be sourced; sets $root and goes there.

set -euo pipefail
export LC_ALL=C.UTF-8
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
logs=$root/build/logs

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# ---- Steps: one line each, with the time it took; the log is shown when it fails --------------------------------

now_ms() { printf '%s' "$(($(date +%s%N) / 1000000))"; }

seconds_since() {
    local ms=$(($(now_ms) - $1))
    printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

# step LOG WHAT COMMAND...
step() {
    local log=$logs/$1.log what=$2 start
    shift 2
    mkdir -p "$logs"
    start=$(now_ms)
    printf '== %-58s ' "$what"
    if "$@" >"$log" 2>&1 </dev/null; then
        printf '%9s\n' "$(seconds_since "$start")"
    else
        printf 'FAILED after %s\n' "$(seconds_since "$start")"
        tail -n 60 "$log" >&2
        printf 'error: "%s" failed; the whole log: %s\n' "$what" "$log" >&2
        return 1
    fi
}

# ---- Packages ---------------------------------------------------------------------------------------------------

is_present() {
    local kind=$1
    shift
    case $kind in
    command) command -v "$1" ;;
    header) printf '#include <%s>\n' "$1" | "${CXX:-g++}" -E -x c++ - ;;
    file) [ -e "$1" ] ;;
    links) printf 'int main(void) { return 0; }\n' | "$1" -x c - -o /dev/null "${@:2}" ;;
    *) die ".ci/packages: unknown probe \"$kind\"" ;;
    esac >/dev/null 2>&1
}

# The lines of .ci/packages for these purposes whose probe fails, as "package (probe)".
missing_things() {
    local purpose package probe
    while read -r purpose package probe; do
        case " $* " in *" $purpose "*) ;; *) continue ;; esac
        # shellcheck disable=SC2086 # the probe is a list of words
        is_present $probe || printf '%s (%s)\n' "$package" "$probe"
    done < <(grep -v '^#' .ci/packages)
}

apt_install() {
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3
        -o DPkg::Lock::Timeout=300 -y)
    # A broken third-party source fails the update, but need not matter for our packages: the install decides.
    "${apt[@]}" update || true
    "${apt[@]}" install --no-install-recommends "$@"
}

# need PURPOSE...: makes sure that what .ci/packages lists for these purposes is there.
need() {
    local things packages by_hand
    things=$(missing_things "$@")
    if [ -n "$things" ]; then
        packages=$(cut -d' ' -f1 <<<"$things" | sort -u | tr '\n' ' ')
        by_hand="as root, run: apt-get update && apt-get install -y --no-install-recommends ${packages% }"
        if ! command -v apt-get >/dev/null; then
            printf 'missing, by the names of their Debian packages (and what was looked for):\n%s\n' "$things" >&2
            die "there is no apt-get here: install them with this system's package manager, then run this again"
        fi
        if [ "$(id -u)" != 0 ]; then
            if ! command -v sudo >/dev/null || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
                die "packages are missing, and this is neither root nor sudo; $by_hand"
            fi
            # Asks for the password here, where it is seen; the step's output goes to its log.
            sudo -v
        fi
        # shellcheck disable=SC2086 # a list of words
        step packages "install ${packages% }" apt_install $packages ||
            die "$by_hand"
        things=$(missing_things "$@")
        [ -z "$things" ] || die "installed, but still not found: $things"
    fi
    check_cmake
}

# Presets of version 6 came with CMake 3.25, which is Debian 12's.
check_cmake() {
    local version
    version=$(cmake --version | sed -n '1s/.* \([0-9][0-9.]*\).*/\1/p')
    [ "$(printf '3.25\n%s\n' "$version" | sort -V | head -n 1)" = 3.25 ] ||
        die "CMake 3.25 or newer is needed; $(command -v cmake) is $version"
}

# ---- Build ------------------------------------------------------------------------------------------------------

# Compiling C++ takes up to half a gigabyte a process: a small machine gets fewer than it has cores.
jobs_count() {
    local cores memory_mb fit
    cores=$(nproc)
    memory_mb=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    fit=$(((memory_mb / 1024 + 511) / 512))
    [ "$fit" -ge 1 ] || fit=1
    printf '%s' "${JOBS:-$((cores < fit ? cores : fit))}"
}

cached() { sed -n "s/^$2:[A-Z]*=//p" "$1/CMakeCache.txt"; }

# What a build directory depends on, besides its preset.
made_with() {
    printf '%s\n' "$root" "${CC:-} ${CXX:-} ${CFLAGS:-} ${CXXFLAGS:-} ${LDFLAGS:-}"
    "${CC:-gcc}" --version 2>&1 | head -n 1
    cmake --version | head -n 1
}

# A build directory is of no use when its checkout has moved or its compiler is gone or not the one asked for.
is_stale() {
    local tool
    [ -e "$1/CMakeCache.txt" ] || return 1
    [ "$(cached "$1" CMAKE_HOME_DIRECTORY)" = "$root" ] || return 0
    for tool in CMAKE_C_COMPILER CMAKE_CXX_COMPILER CMAKE_MAKE_PROGRAM; do
        tool=$(cached "$1" "$tool")
        # Empty where a toolchain file says it.
        [ -z "$tool" ] || [ -x "$tool" ] || return 0
    done
    [ ! -e "$1/made_with" ] || [ "$(cat "$1/made_with")" = "$(made_with)" ] || return 0
    return 1
}

# configure PRESET [CMAKE ARGUMENTS...]
configure() {
    local preset=$1 dir=$root/build/$1
    shift
    if is_stale "$dir"; then
        printf '== build/%s is of another checkout or compiler: begun afresh\n' "$preset"
        rm -rf "$dir"
    fi
    step "configure-$preset" "configure ($preset)" cmake --preset "$preset" "$@"
    made_with >"$dir/made_with"
}

# build PRESET [CMAKE --build ARGUMENTS...]
build() {
    local preset=$1
    shift
    step "build-$preset" "build ($preset)" cmake --build --preset "$preset" -j "$(jobs_count)" "$@"
}

list_presets() {
    command -v cmake >/dev/null || die "CMake, which knows the presets, is not installed yet; tests/run installs it"
    cmake --list-presets | sed -n 's/^  "\([^"]*\)" *-* *\(.*\)/\1\t\2/p'
}
has_preset() { list_presets | cut -f1 | grep -xF -e "$1" >/dev/null; }

# run_tests PRESET HIDDEN [CTEST OPTIONS...]: ctest, without the lines that match HIDDEN. Its closing lines come last.
run_tests() {
    local preset=$1 hidden=$2 status=0
    shift 2
    printf '== test (%s)\n' "$preset"
    ctest --preset "$preset" "$@" 2>&1 </dev/null | tee "$logs/test-$preset.log" | { grep -vE "$hidden" || true; } ||
        status=$?
    [ "$status" = 0 ] || printf 'the whole log: %s\n' "$logs/test-$preset.log" >&2
    return "$status"
}

list_samples() { find samples -name '*.c' -printf '%f\n' | sed 's/\.c$//' | sort | xargs; }
is_sample() { [ -e "samples/$1.c" ]; }
