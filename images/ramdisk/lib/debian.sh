# shellcheck shell=bash
# Debian packages for the recipes: of one fixed suite, whatever this machine runs (any
# Debian or Ubuntu), without installing them and without root. Needs cache.sh.
#
# apt-get works on lists of its own in the cache, because those of the machine may be of another
# suite, out of date or removed (container images do that). Each architecture (amd64,
# arm64, as Debian calls them) has its own, so that none need be added to the machine's dpkg.

DEBIAN_SUITE=bookworm
DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# debian_mirror LABEL DEFAULT: the mirror that this machine is set up with, when it is a
# Debian; else the public one. BILLET_DEBIAN_MIRROR and BILLET_DEBIAN_SECURITY_MIRROR go before.
debian_mirror() {
    local found
    # shellcheck disable=SC2016 # the names with a dollar are apt-get's
    found=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
        'Origin: Debian' "Label: $1" 2>/dev/null | sed -n '1s,/$,,p')
    printf '%s\n' "${found:-$2}"
}

# debian_sources [ARCHITECTURE]: the lines of sources.list for the suite.
debian_sources() {
    local main security option="[arch=${1:-amd64} signed-by=$DEBIAN_KEYRING]"
    main=${BILLET_DEBIAN_MIRROR:-$(debian_mirror Debian http://deb.debian.org/debian)}
    security=${BILLET_DEBIAN_SECURITY_MIRROR:-$(debian_mirror Debian-Security http://deb.debian.org/debian-security)}
    printf 'deb %s %s %s main\n' "$option" "$main" "$DEBIAN_SUITE" \
        "$option" "$main" "$DEBIAN_SUITE-updates" \
        "$option" "$security" "$DEBIAN_SUITE-security"
}

# apt_network_options: this machine's proxies and certificates for downloads, as lines of apt.conf.
apt_network_options() {
    apt-config dump | grep -E '^Acquire::(https?|ftp)::' || true
}

# apt_folder ARCHITECTURE: where its lists are.
apt_folder() {
    if [[ $1 == amd64 ]]; then echo "$BILLET_CACHE/apt"; else echo "$BILLET_CACHE/apt-$1"; fi
}

# apt_update ARCHITECTURE: makes or refreshes our own lists (at most hourly), under a lock.
apt_update() {
    local base lock
    base=$(apt_folder "$1")
    [[ -r $DEBIAN_KEYRING ]] || die "$DEBIAN_KEYRING is missing; run lab/setup, or install the package debian-archive-keyring"
    mkdir -p "$base"/{state/lists/partial,cache/archives/partial} "$BILLET_CACHE/lock"
    exec {lock}>"$BILLET_CACHE/lock/${base##*/}"
    flock "$lock"
    debian_sources "$1" >"$base/sources.list.new"
    if ! cmp -s "$base/sources.list.new" "$base/sources.list" ||
        [[ -z $(find "$base/updated" -mmin -60 2>/dev/null) ]]; then
        : >"$base/status"
        {
            apt_network_options
            # No other setting of the machine counts: hooks, pins, further sources.
            printf '%s "%s";\n' Dir::Etc::Parts /dev/null Dir::Etc::Main /dev/null \
                Dir::Etc::SourceList "$base/sources.list" Dir::Etc::SourceParts /dev/null \
                Dir::Etc::PreferencesParts /dev/null Dir::Etc::Preferences /dev/null \
                Dir::State "$base/state" Dir::State::Status "$base/status" Dir::Cache "$base/cache" \
                APT::Architecture "$1" APT::Architectures "$1" APT::Sandbox::User root \
                Acquire::Languages none Acquire::Retries 3
        } >"$base/apt.conf"
        mv "$base/sources.list.new" "$base/sources.list"
        rm -f "$base/updated"
        say "reading Debian's package lists ($DEBIAN_SUITE, $1)"
        APT_CONFIG=$base/apt.conf apt-get -qq update </dev/null >&2
        touch "$base/updated"
    fi
    exec {lock}>&-
}

# fetch_packages ARCHITECTURE FOLDER PACKAGE...: the newest version of each package, unpacked over FOLDER.
fetch_packages() {
    local config folder=$2 debs deb
    config=$(apt_folder "$1")/apt.conf
    shift 2
    debs=$(mktemp -d "$PWD/debs.XXXXXX")
    (cd "$debs" && APT_CONFIG=$config apt-get -qq download "$@" </dev/null >&2)
    for deb in "$debs"/*.deb; do
        dpkg-deb -x "$deb" "$folder"
    done
    rm -rf "$debs"
}

# newest_kernel ARCHITECTURE FLAVOUR: the package that the kernel's meta package asks for now.
newest_kernel() {
    local meta
    case $2 in
        cloud) meta=linux-image-cloud-$1 ;;
        generic) meta=linux-image-$1 ;;
        *) die "the kernel flavour is 'cloud' (virtual machines) or 'generic' (all hardware), not '$2'" ;;
    esac
    APT_CONFIG=$(apt_folder "$1")/apt.conf apt-cache depends "$meta" |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}
