#!/usr/bin/env bash
# Set up everything that the tests and the demo need, on a fresh Debian 12 or any Linux that has Python 3.11, PostgreSQL,
# Postfix, Dovecot, swaks, nginx, Redis, clamd, Patroni, etcd, HAProxy and Chromium.
# A second run with the same inputs does nothing and needs no network.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly UV_VERSION=0.13.9
readonly PREVIOUS_SYNAPSE=1.162.0
readonly POLICY=/usr/sbin/policy-rc.d
readonly MAIL_PACKAGES=(postfix dovecot-imapd dovecot-lmtpd swaks libnet-ssleay-perl)

die() { echo "setup: $*" >&2; exit 1; }

# --- Debian packages -------------------------------------------------------------------------------------------------

restore_policy() {
    rm -f "$POLICY"
    [ ! -e "$POLICY.liaison" ] || mv "$POLICY.liaison" "$POLICY"
}

# Debian starts services when it installs them, unless this file ends with 101.
forbid_services() {
    local verdict=0
    [ ! -x "$POLICY" ] || "$POLICY" postgresql start >/dev/null 2>&1 || verdict=$?
    [ "$verdict" != 101 ] || return 0
    [ ! -e "$POLICY" ] || mv "$POLICY" "$POLICY.liaison"
    trap restore_policy EXIT
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}

install_debian() {
    local packages=$1 what=$2
    command -v apt-get >/dev/null || die "$what is missing; install it (Debian: apt-get install $packages)"
    [ "$(id -u)" = 0 ] || die "$what is missing; as root: apt-get install $packages"
    echo "setup: installing $packages"
    exec 8>/run/lock/liaison-setup.lock
    flock 8  # two trees on one machine, one policy file
    forbid_services
    local log; log=$(mktemp)
    # shellcheck disable=SC2086
    { { [ -n "${UPDATED:-}" ] || apt-get update; } && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-remove --no-install-recommends $packages; } >"$log" 2>&1 ||
        { tail -n 5 "$log" >&2; die "$what could not be installed (apt-get install $packages; log: $log)"; }
    rm -f "$log"
    UPDATED=1  # the next call need not look again
}

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

has_postgres() { command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

on_path() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null; }

# The mail servers and clients of the tests and the demo: an operator, its mailboxes, a client that speaks TLS.
has_mail() {
    on_path postfix && on_path dovecot && on_path swaks && perl -MNet::SSLeay -e1 2>/dev/null &&
        compgen -G '/usr/lib*/dovecot/lmtp' >/dev/null && compgen -G '/usr/lib*/dovecot/imap' >/dev/null
}

# Patroni, etcd and HAProxy: the database of the tests whose primary dies (14 MB to fetch, 40 MB on the disk).
has_patroni() { on_path patroni && on_path etcd && on_path haproxy; }

# All that is missing comes in one call: what follows every call of dpkg follows once.
setup_debian() {
    local missing=()
    has_postgres || missing+=(postgresql)
    has_mail || missing+=("${MAIL_PACKAGES[@]}")
    on_path nginx || missing+=(nginx)  # the reverse proxy of docs/operating.md is tried as it is written there
    on_path redis-server || missing+=(redis-server)  # what Synapse's processes speak to one another by
    on_path clamd || missing+=(clamav-daemon)  # the tests give it signatures of their own: none are fetched
    has_patroni || missing+=(patroni etcd-server haproxy)
    on_path chromium || missing+=(chromium)
    [ "${#missing[@]}" != 0 ] || return 0
    # Postfix would otherwise ask what it is, or be a server that begins with the next boot: here it stays unconfigured.
    if command -v debconf-set-selections >/dev/null && [ "$(id -u)" = 0 ] && [ ! -e /etc/postfix/main.cf ]; then
        echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
    fi
    install_debian "${missing[*]}" "a server, client or browser of the tests and the demo"
    disable_new "${missing[@]}"
}

# Nothing that has come begins with the next boot: each world of the tests starts its own.
disable_new() {
    [ -d /run/systemd/system ] || return 0
    local package units
    for package in "$@"; do
        case $package in
            dovecot-*) units="dovecot.service dovecot.socket" ;;
            nginx | haproxy | patroni) units="$package.service" ;;
            redis-server) units=redis-server.service ;;
            clamav-daemon) units="clamav-daemon.service clamav-daemon.socket clamav-freshclam.service" ;;
            etcd-server) units=etcd.service ;;
            *) continue ;;
        esac
        # shellcheck disable=SC2086
        systemctl disable --quiet $units 2>/dev/null || true
    done
}

# --- Python ----------------------------------------------------------------------------------------------------------

# The stamp of an environment is the hash of all that went into it.
stamp() { cat "$@" deploy/tools/setup.sh | sha256sum | cut -d' ' -f1; }
fresh() { [ "$(cat "$1/.stamp" 2>/dev/null)" = "$2" ]; }

make_venv() {
    local venv=$1 python
    [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1 || return 0
    python=$(find_python)
    if [ -z "$python" ]; then
        install_debian "python3 python3-venv" "Python 3.11 or newer with its venv module"
        python=$(find_python)
    fi
    [ -n "$python" ] || die "Python 3.11 or newer is missing"
    rm -rf "$venv"
    "$python" -m venv "$venv" || die "$python could not make $venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check "uv==$UV_VERSION" || echo "setup: no uv, pip it is" >&2
}

# install VENV ARGS…: by uv for its speed, by pip where uv finds nothing (it does not read pip's configuration).
install_python() {
    local venv=$1; shift
    if [ -x "$venv/bin/uv" ] && "$venv/bin/uv" pip install -q --python "$venv/bin/python" "$@"; then return; fi
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check "$@" || die "could not install into $venv: $*"
}

# libolm comes as a wheel up to Python 3.12 (a far end of the tests is a client on it); later ones build it.
has_libolm() {
    "$1" -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || { on_path cmake && on_path make && on_path c++; }
}

setup_hub() {
    local want; want=$(stamp pyproject.toml constraints.txt)
    fresh .venv "$want" && return
    echo "setup: .venv (the hub and its test tools)"
    make_venv .venv
    has_libolm .venv/bin/python || install_debian "cmake make g++" "a C++ compiler with cmake (python-olm has no wheel for this Python)"
    install_python .venv -c constraints.txt -e '.[dev]'
    echo "$want" >.venv/.stamp
}

setup_synapse() {
    local want; want=$(stamp constraints-synapse.txt homeserver_config/*/pyproject.toml)
    fresh .venv-synapse "$want" && return
    echo "setup: .venv-synapse (the homeserver of the tests and the demo, with its modules)"
    make_venv .venv-synapse
    install_python .venv-synapse -r constraints-synapse.txt
    local module
    for module in homeserver_config/*/pyproject.toml; do
        install_python .venv-synapse --no-deps -e "${module%/pyproject.toml}"  # what they need comes with Synapse
    done
    # The minor version before, beside it: modules have to load there, too. It shares what both depend on.
    rm -rf .venv-synapse/previous
    install_python .venv-synapse --no-deps --target .venv-synapse/previous "matrix-synapse==$PREVIOUS_SYNAPSE"
    echo "$want" >.venv-synapse/.stamp
}

# --- Prometheus ------------------------------------------------------------------------------------------------------

# Alerts are judged by Prometheus' own program. Of its package only that is taken; nothing is installed.
setup_promtool() {
    ! on_path promtool && [ ! -x .venv/bin/promtool ] || return 0
    command -v apt-get >/dev/null || die "promtool is missing; install it (it comes with Prometheus)"
    echo "setup: .venv/bin/promtool"
    local folder; folder=$(mktemp -d)
    (cd "$folder" && { apt-get download -qq prometheus 2>/dev/null || { apt-get update -qq && apt-get download -qq prometheus; }; }) ||
        die "promtool is missing, and the package prometheus cannot be had"
    dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar -x -C "$folder" ./usr/bin/promtool
    mv "$folder/usr/bin/promtool" .venv/bin/promtool
    rm -rf "$folder"
}

# --- Node ------------------------------------------------------------------------------------------------------------

setup_node() {
    local want; want=$(stamp deploy/world/js/package.json deploy/world/js/package-lock.json .venv/.stamp)
    fresh deploy/world/js/node_modules "$want" && return
    echo "setup: deploy/world/js/node_modules (the Matrix client of the tests and the demo)"
    (cd deploy/world/js && PATH="$PWD/../../../.venv/bin:$PATH" npm ci --silent --ignore-scripts --no-audit --no-fund) ||
        die "npm ci failed in deploy/world/js (matrix-js-sdk is missing)"
    echo "$want" >deploy/world/js/node_modules/.stamp
}

# Two runs in one tree wait for each other, here and in `main`.
hub() { (flock 9; setup_hub) 9>.setup.lock; }

# setup.sh: everything. setup.sh hub: the hub's own environment, enough for all checks.
main() {
    [ "${1:-}" != hub ] || { hub; return; }
    exec 7>.setup.rest.lock
    flock 7
    # Packages of the system and the two environments of Python do not need one another: they come at once.
    setup_debian & local debian=$!
    setup_synapse & local synapse=$!
    hub
    setup_node
    wait "$debian"
    setup_promtool
    wait "$synapse"
}

main "$@"
