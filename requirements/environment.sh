#!/bin/sh
# Makes .venv hold exactly what requirements/dev.txt pins, and the project itself. make calls it when one of
# them has changed.
set -eu

# The first candidate of a version. Each is run, not looked up: pyenv's shims are there for Pythons that are not.
find_python() {
    for candidate in python3.13 "$(pyenv root 2>/dev/null || :)"/versions/3.13*/bin/python \
        python3.12 python3.11 python3.14 python3 python; do
        if "$candidate" -c "import sys, $needed; sys.exit(not sys.version_info[:2] $1)" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

if uv --version >/dev/null 2>&1; then
    uv=uv needed=sys
else
    uv=.venv/bin/uv needed=ensurepip
fi

if ! .venv/bin/python -c '' 2>/dev/null || ! "$uv" --version >/dev/null 2>&1; then
    # 3.13 is what Lambda runs.
    python=$(find_python '== (3, 13)' || find_python '>= (3, 11)') || {
        echo 'Python 3.11 or newer with its venv module is needed (3.13, as in Lambda, is best), and none was found.' >&2
        echo 'Install one so that python3.13 or python3 runs it.' >&2
        exit 1
    }
    echo "Making .venv with $("$python" -V) …"
    rm -rf .venv
    if [ "$uv" = uv ]; then
        uv venv -q --python "$python" .venv
    else
        "$python" -m venv .venv
        sed -n '/^uv==/,/[^\\]$/p' requirements/dev.txt >.venv/uv.txt
        .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r .venv/uv.txt
    fi
fi

"$uv" pip sync -q --compile-bytecode --python .venv/bin/python --require-hashes requirements/dev.txt
# Editable, so that .venv/bin/genai-voice runs the checkout.
"$uv" pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
