#!/usr/bin/env bash
# Make or refresh .venv with this package installed in it, editable, at the pinned versions.
#
#   scripts/setup.sh [--need-compiler] [EXTRA ...]      e.g. scripts/setup.sh dev
#
# EXTRA is an optional-dependencies name of pyproject.toml. PYTHON=/path/to/python chooses the
# interpreter; else the first fitting one of python3.13, python3.12, python3 and pyenv's versions.
# A second run with nothing changed does nothing. Extras installed once stay: asking for fewer is
# already satisfied.
#
# Exit codes: 0 done; 1 the install failed; 2 no usable Python, or wrong use; 3 no C++ compiler
# although --need-compiler was given.
set -eu

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"

venv=.venv
venv_python=$venv/bin/python
stamp=$venv/.brainsleep-setup           # what is installed; written last
incomplete=$venv/.brainsleep-incomplete # exists while an install runs: left behind if interrupted

say() { printf 'setup: %s\n' "$*"; }
warn() { printf 'setup: warning: %s\n' "$*" >&2; }
fail() { # fail CODE LINE ...
    local code=$1
    shift
    printf 'setup: %s\n' "$@" >&2
    exit "$code"
}

# --- Python -----------------------------------------------------------------------------------

# State of one interpreter: "good 3.13.0", "newer 3.14.1" (not what the pins were tried on),
# "noensurepip 3.12.3", "old 3.11.7", or nothing if it does not run at all. Running it is the only
# sure test: pyenv's shims stand on PATH for every version installed, and fail if it is not active.
probe() {
    "$1" -c '
import sys, sysconfig
version = ".".join(map(str, sys.version_info[:3]))
usual = sys.version_info < (3, 14) and not sysconfig.get_config_var("Py_GIL_DISABLED")
state = "good" if usual else "newer"
if sys.version_info < (3, 12):
    state = "old"
else:
    try:
        import ensurepip, ssl, venv
    except ImportError:
        state = "noensurepip"
print(state, version)
' 2>/dev/null </dev/null || true
}

pyenv_pythons() { # newest first
    local home=${PYENV_ROOT:-${HOME:-}/.pyenv}
    ls -d "$home"/versions/3.*/bin/python 2>/dev/null | sort -rV || true
}

find_python() { # sets $python or exits
    local candidate state seen="" newer="" bare=""
    python=""
    if [ -n "${PYTHON:-}" ]; then
        state=$(probe "$PYTHON")
        case $state in
        good* | newer*) python=$PYTHON ;;
        noensurepip*) no_ensurepip "$PYTHON (${state#* })" ;;
        old*) fail 2 "PYTHON=$PYTHON is Python ${state#* }; Python 3.12 or newer is needed." \
            "Set PYTHON to a newer interpreter, or unset it to search for one." ;;
        *) fail 2 "PYTHON=$PYTHON does not run." \
            "Set PYTHON to a working interpreter, or unset it to search for one." ;;
        esac
        [ "${state%% *}" = good ] || warn_newer "${state#* }"
        return
    fi
    while IFS= read -r candidate; do
        [ -n "$candidate" ] || continue
        state=$(probe "$candidate")
        case $state in
        good*) python=$candidate && return ;;
        newer*) [ -n "$newer" ] || newer="$candidate ${state#* }" ;;
        noensurepip*) [ -n "$bare" ] || bare="$candidate (${state#* })" ;;
        old*) seen="$seen${seen:+, }$candidate is ${state#* }" ;;
        esac
    done <<EOF
python3.13
python3.12
python3
$(pyenv_pythons)
python3.14
EOF
    if [ -n "$newer" ]; then
        python=${newer% *}
        warn_newer "${newer##* }"
        return
    fi
    [ -z "$bare" ] || no_ensurepip "$bare"
    fail 2 "no Python 3.12 or newer found (${seen:-no working Python at all})." \
        "Brian2 2.10 needs it. Install one, for example:" \
        "    apt install python3.12 python3.12-venv python3.12-dev    (Debian, Ubuntu)" \
        "    brew install python@3.13                                 (macOS)" \
        "    pyenv install 3.13                                       (anywhere)" \
        "then run this again, or name it: PYTHON=/path/to/python3.13 scripts/setup.sh"
}

warn_newer() {
    warn "the pins in constraints.txt were tried on Python 3.12 and 3.13, with the GIL; this is $1."
}

no_ensurepip() {
    fail 2 "$1 cannot make virtual environments: its venv, ensurepip or ssl module is missing." \
        "On Debian and Ubuntu: apt install python3-venv    (or python3.12-venv, as the version is)"
}

# --- C++ compiler -----------------------------------------------------------------------------

check_compiler() {
    local name found="" header
    for name in ${CXX:-} c++ g++ clang++; do
        if "$name" --version >/dev/null 2>&1 </dev/null; then found=$name && break; fi
    done
    if [ -z "$found" ]; then
        warn "no C++ compiler (c++, g++ or clang++): only the numpy backend will work, slowly."
        warn "install one: apt install g++   (Debian, Ubuntu);   xcode-select --install   (macOS)"
        [ "$need_compiler" = no ] || fail 3 "stopped, since --need-compiler was given."
        return
    fi
    header=$("$venv_python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
    if [ ! -e "$header" ]; then
        warn "Python.h is missing: the cython backend will not compile (C++ standalone will)."
        warn "install it: apt install python3-dev   (or python3.12-dev, as the version is)"
    fi
}

# --- environment ------------------------------------------------------------------------------

# One line that changes whenever the environment has to be refreshed.
fingerprint() {
    "$venv_python" - pyproject.toml constraints.txt <<'EOF'
import hashlib, os, pathlib, sys
digest = hashlib.sha256(f"{sys.version_info[:3]} {os.getcwd()}".encode())
for name in sys.argv[1:]:
    digest.update(pathlib.Path(name).read_bytes())
print(digest.hexdigest())
EOF
}

venv_usable() { # does the environment run, at a fitting version, whole, and where it was made?
    [ -x "$venv_python" ] && [ ! -e "$incomplete" ] || return 1
    grep -qF "$root/$venv/bin/" "$venv/bin/pip" 2>/dev/null || return 1 # scripts hold full paths
    "$venv_python" - "$stamp" <<'EOF' >/dev/null 2>&1
import importlib.util, os, sys
needed = ["pip", "brian2"] if os.path.exists(sys.argv[1]) else ["pip"]
whole = all(importlib.util.find_spec(name) for name in needed)
sys.exit(not (sys.version_info >= (3, 12) and whole))
EOF
}

refuse_if_running() { # an install that is under way must not be taken for an interrupted one
    local other=""
    [ ! -e "$incomplete" ] || other=$(cat "$incomplete")
    if [ -n "$other" ] && [ "$other" != $$ ] && kill -0 "$other" 2>/dev/null; then
        fail 1 "another set-up of $venv seems to be running (process $other): wait for it." \
            "If that process is something else: rm -rf $venv, and run this again."
    fi
}

wanted_python() { # is the environment's Python the one that $PYTHON asks for, if it does?
    [ -n "${PYTHON:-}" ] || return 0
    local mine asked
    mine=$(probe "$venv_python")
    asked=$(probe "$PYTHON")
    [ "${mine#* }" = "${asked#* }" ]
}

covers() { # covers "have ..." "want ...": is every wanted word among those had?
    local word
    for word in $2; do
        case " $1 " in *" $word "*) ;; *) return 1 ;; esac
    done
}

is_extra() {
    awk -v name="$1" '
        /^\[/ { inside = ($0 == "[project.optional-dependencies]") }
        inside && $1 == name && $2 == "=" { found = 1 }
        END { exit !found }' pyproject.toml
}

installed_extras() { sed -n 2p "$stamp" 2>/dev/null || true; }

up_to_date() {
    [ -f "$stamp" ] && [ -x "$venv/bin/brainsleep" ] &&
        [ "$(sed -n 1p "$stamp")" = "$(fingerprint)" ] && covers "$(installed_extras)" "$extras"
}

pip_install() { # quiet, unless it fails
    local log=$venv/setup.log
    if ! "$venv_python" -m pip install --disable-pip-version-check --no-input \
        -c constraints.txt "$@" >"$log" 2>&1 </dev/null; then
        tail -n 60 "$log" >&2
        fail 1 "pip install $* failed; the last lines of $venv/setup.log are above."
    fi
}

make_venv() {
    find_python
    if [ -e "$venv" ] || [ -L "$venv" ]; then
        say "replacing $venv: it is incomplete, moved, damaged or of another Python"
        rm -rf "$venv"
    fi
    say "making $venv with $python ($("$python" -V 2>&1))"
    mkdir "$venv"
    echo $$ >"$incomplete"
    "$python" -m venv "$venv" || fail 1 "$python -m venv $venv failed." \
        "On Debian and Ubuntu: apt install python3-venv    (or python3.12-venv, as the version is)"
}

# --- main -------------------------------------------------------------------------------------

need_compiler=no
extras=""
for argument in "$@"; do
    case $argument in
    --need-compiler) need_compiler=yes ;;
    -h | --help)
        sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    -* | *[!A-Za-z0-9_-]* | "") fail 2 "unknown argument: '$argument' (see scripts/setup.sh --help)" ;;
    *)
        is_extra "$argument" ||
            fail 2 "unknown extra: '$argument'; see [project.optional-dependencies] in pyproject.toml"
        covers "$extras" "$argument" || extras="$extras${extras:+ }$argument"
        ;;
    esac
done

refuse_if_running
if venv_usable && wanted_python; then
    if up_to_date; then
        check_compiler
        have=$(installed_extras)
        say "$venv is up to date (core${have:+ $have})"
        exit 0
    fi
else
    make_venv
fi
check_compiler

for word in $(installed_extras); do # what was there before stays
    if ! covers "$extras" "$word" && is_extra "$word"; then
        extras="$extras${extras:+ }$word"
    fi
done
echo $$ >"$incomplete"
rm -f "$stamp"
say "installing brainsleep${extras:+ with extras: $extras} (the first time takes a minute or two)"
pip_install "setuptools>=77"
pip_install --no-build-isolation -e ".${extras:+[$(printf '%s' "$extras" | tr ' ' ',')]}"
{
    fingerprint
    printf '%s\n' "$extras"
} >"$stamp.new"
mv "$stamp.new" "$stamp"
rm -f "$incomplete"
say "done: $venv_python is $("$venv_python" -V 2>&1)"
