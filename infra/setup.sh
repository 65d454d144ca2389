#!/bin/sh
# Sets up everything that `make demo` and `make test` need: tools of the system, .venv, Kafka's jars.
# What is there already is left alone, so that a second run takes no time.
#
#   infra/setup.sh          all steps
#   infra/setup.sh tools    only see to Python, Java and Maven
#   infra/setup.sh test-tools   only what the tests need beside: an MQTT broker and its clients, curl, openssl,
#                               and Debian's ClickHouse where there is one
#
# PYTHON=... chooses the Python. With SLUICE_KAFKA=host:port neither Java nor Maven is needed.
set -eu
cd "$(dirname "$0")/.."

data=${SLUICE_DATA_DIR:-.sluice}
venv=.venv

say() {
    printf '%s\n' "$*"
}

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# --- 1. Tools of the system ---------------------------------------------------------------------------------------

# Prints the first Python that is new enough.
find_python() {
    for candidate in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
        if has "$candidate" && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

# Debian leaves both out of its python3 package.
python_makes_venvs() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

java_serves() {
    if [ -n "${JAVA_HOME:-}" ]; then java=$JAVA_HOME/bin/java; else java=java; fi
    has "$java" || return 1
    # The first line is: openjdk version "17.0.15" 2025-04-15. Java 8 calls itself 1.8.
    version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | sed -n 1p)
    [ "${version:-0}" -ge 17 ]
}

venv_works() {
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -c '' 2>/dev/null
}

jars_are_there() {
    venv_works && "$venv/bin/python" -m infra.kafka.jars --check "$data" 2>/dev/null
}

# Sets `packages` to Debian's names of what is missing, `missing` to what people call it.
find_missing() {
    packages=
    missing=
    python=$(find_python)
    if [ -z "$python" ]; then
        packages=$(python_packages)
        missing="Python 3.11 or later with venv"
    elif ! venv_works && ! python_makes_venvs "$python"; then
        # The name of the module's package goes by the name of the program.
        packages="$(basename "$python")-venv"
        missing="Python's venv"
    fi
    if [ -n "${SLUICE_KAFKA:-}" ]; then
        return
    fi
    if ! java_serves; then
        packages="$packages $(java_package)"
        missing="$missing${missing:+, }Java 17 or later"
    fi
    if ! has mvn && ! jars_are_there; then
        packages="$packages maven"
        missing="$missing${missing:+, }Maven"
    fi
    packages=${packages# }
}

python_packages() {
    # Ubuntu 22.04's python3 is 3.10, but it has 3.11 beside it.
    if has python3 && has apt-cache && apt-cache show python3.11 >/dev/null 2>&1; then
        say python3.11 python3.11-venv
    else
        say python3 python3-venv
    fi
}

java_package() {
    # Newer releases than Debian 12 no longer have 17, and their default is later.
    if has apt-cache && ! apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then
        say default-jre-headless
    else
        say openjdk-17-jre-headless
    fi
}

# The one line that installs what is missing, as far as this system's package manager is known.
how_to_install() {
    if has apt-get; then
        say "sudo apt-get update && sudo apt-get install -y $packages"
    elif has dnf; then
        say "sudo dnf install -y python3 java-17-openjdk-headless maven"
    elif has brew; then
        say "brew install python@3.12 openjdk maven"
    else
        say "install $missing with this system's package manager"
    fi
}

see_to_tools() {
    if [ -z "${SLUICE_KAFKA:-}" ] && [ -n "${JAVA_HOME:-}" ] && ! java_serves; then
        fail "JAVA_HOME=$JAVA_HOME has no Java 17 or later: unset it, or have it name one"
    fi
    find_missing
    if [ -z "$missing" ]; then
        return
    fi
    if has apt-get && [ "$(id -u)" = 0 ]; then
        say "      missing: $missing"
        say "      as root: apt-get install -y $packages"
        apt-get update -qq
        find_missing # What a package is called can be seen only now.
        # The words of $packages are several arguments.
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
        find_missing
        if [ -n "$missing" ]; then
            fail "$missing still missing after apt-get install: this release's packages are too old"
        fi
        return
    fi
    say "setup: missing: $missing. Run this, then make again:" >&2
    say "  $(how_to_install)" >&2
    case $missing in
    *Java* | *Maven*)
        say "Java and Maven are for the embedded Kafka: SLUICE_KAFKA=host:port uses yours instead" >&2
        say "(and SLUICE_CLICKHOUSE=clickhouse://user:password@host:port/database your ClickHouse)." >&2
        ;;
    esac
    exit 1
}

# --- 2. The virtual environment ----------------------------------------------------------------------------

# A copy of what was installed from, kept inside the environment, tells whether that was the same.
is_done() {
    cmp -s "$1" "$venv/done/$(basename "$1")"
}

mark_done() {
    mkdir -p "$venv/done"
    cp "$1" "$venv/done/"
}

make_venv() {
    # Scripts in an environment name its place, so one that was moved is made anew.
    if venv_works && [ "$(cat "$venv/done/place" 2>/dev/null)" = "$PWD" ]; then
        return
    fi
    rm -rf "$venv"
    "$python" -m venv "$venv"
    mkdir -p "$venv/done"
    printf '%s\n' "$PWD" >"$venv/done/place"
}

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"
}

install_requirements() {
    pip install --quiet --require-hashes --requirement requirements.lock
    mark_done requirements.lock
}

# Machine code of the ledger's fold: made once here, so that no worker's first start waits for it.
fold_is_compiled() {
    [ -e "$venv/done/fold" ] && [ -z "$(find streams/core -name '*.py' -newer "$venv/done/fold")" ]
}

compile_fold() {
    "$venv/bin/python" -c 'from streams.core.fold import compile_ahead; compile_ahead()'
    touch "$venv/done/fold"
}

install_sluice() {
    # The build tool comes from the lock file too.
    pip install --quiet --no-deps --no-build-isolation --editable .
    mark_done pyproject.toml
}

# --- What the tests need beside ----------------------------------------------------------------------------------

# ClickHouse as Debian has it, for tests of the protocol with software of others; without it they are skipped.
see_to_old_clickhouse() {
    if { has clickhouse-server || [ -x /usr/sbin/clickhouse-server ]; } && has clickhouse-client; then
        return
    fi
    if has apt-get && [ "$(id -u)" = 0 ]; then
        say "      for the tests: apt-get install -y clickhouse-server clickhouse-client"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends clickhouse-server \
            clickhouse-client >/dev/null 2>&1 || say "      not to be had here: tests with them are skipped"
    fi
}

see_to_test_tools() {
    packages=
    # Debian puts the broker where only root's path leads.
    has mosquitto || [ -x /usr/sbin/mosquitto ] || packages="mosquitto"
    has mosquitto_pub || packages="$packages mosquitto-clients"
    for tool in curl openssl; do
        has "$tool" || packages="$packages $tool"
    done
    packages=${packages# }
    if [ -z "$packages" ]; then
        return
    fi
    if has apt-get && [ "$(id -u)" = 0 ]; then
        say "      for the tests: apt-get install -y $packages"
        apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
        return
    fi
    fail "the tests need $packages: install them, on Debian with sudo apt-get install -y $packages"
}

# --- All steps ----------------------------------------------------------------------------------------------------

if [ "${1:-}" = test-tools ]; then
    see_to_test_tools
    see_to_old_clickhouse
    exit 0
fi
see_to_tools
if [ "${1:-}" = tools ]; then
    exit 0
fi

make_venv
if ! is_done requirements.lock; then
    say "[1/4] Python packages into $venv ..."
    install_requirements
fi
if ! is_done pyproject.toml; then
    say "[2/4] Sluice itself ..."
    install_sluice
fi
if ! fold_is_compiled; then
    say "[3/4] Compiling the ledger's fold ..."
    compile_fold
fi
if [ -z "${SLUICE_KAFKA:-}" ] && ! jars_are_there; then
    say "[4/4] Kafka's jars into $data/kafka (43 MB) ..."
    "$venv/bin/python" -m infra.kafka.jars "$data"
fi
