# shellcheck shell=bash
# For scripts that need packages of the system; sourced. Installs only what is missing, and never without saying so.

program=$(basename "$0" .sh)
say() { printf '%s: %s\n' "$program" "$*"; }
fail() {
    printf '%s: %s\n' "$program" "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root, and there is no sudo; run as root: $*"
    fi
}

# install_packages WHY PACKAGE...: the packages as Debian calls them.
install_packages() {
    local why=$1
    shift
    command -v apt-get >/dev/null ||
        fail "$why; install what Debian calls $* with your package manager"
    say "$why; installing $* with apt-get"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# need_commands PURPOSE COMMAND=PACKAGE...: installs the packages of the commands that are missing.
need_commands() {
    local purpose=$1 pair missing=() packages=()
    shift
    for pair in "$@"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%=*}" >/dev/null && continue
        missing+=("${pair%%=*}")
        packages+=("${pair#*=}")
    done
    [ ${#missing[@]} -eq 0 ] || install_packages "$purpose, ${missing[*]} is missing" "${packages[@]}"
}
