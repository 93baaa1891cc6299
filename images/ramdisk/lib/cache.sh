# shellcheck shell=bash
# The build cache that all recipes share: what was built once from the same inputs is
# not built again, and a build that was killed leaves nothing that looks finished.
#
# An entry is the folder $BILLET_CACHE/NAME-KEY. It is made under $BILLET_CACHE/partial and
# renamed when it is complete. Not here: what goes into an entry (the recipes know that).

BILLET_CACHE=${BILLET_CACHE:-${HOME:?}/.cache/billet}
# Entries that nobody used for so many days are removed when a newer one is made.
CACHE_DAYS=14

# All recipes give files this time, so that the same inputs give the same bytes.
export SOURCE_DATE_EPOCH=1700000000 TZ=UTC LC_ALL=C
umask 022
# No recipe ends in silence.
set -E
trap 'say "failed at ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND"' ERR

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# need PROGRAM PACKAGE: ends with a sentence when a program is missing.
need() {
    command -v "$1" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ||
        die "the program $1 is missing; run lab/setup, or install the package $2"
}

# hash_of ITEM...: one short key over files (their contents), folders (names and contents)
# and other words (as they are).
hash_of() {
    local item
    for item in "$@"; do
        if [[ -d $item ]]; then
            (cd "$item" && find . -type f -print0 | sort -z | xargs -0r sha256sum)
        elif [[ -f $item ]]; then
            sha256sum <"$item"
        else
            printf '%s\n' "$item"
        fi
    done | sha256sum | cut -c1-16
}

# remove_tree PATH: removes a folder, and files in it that belong to subordinate users.
remove_tree() {
    [[ -e $1 ]] || return 0
    rm -rf "$1" 2>/dev/null || unshare --map-root-user --map-auto rm -rf "$1"
}

# cached NAME KEY BUILDER [ARGS]: sets CACHED to the entry's folder. When there is none, runs
# BUILDER with ARGS in a new folder; only if it succeeds the folder becomes the entry.
cached() {
    local name=$1 key=$2 entry partial lock old
    shift 2
    entry=$BILLET_CACHE/$name-$key
    CACHED=$entry
    if [[ -d $entry ]]; then
        touch -c "$entry" # read by prune
        return
    fi
    mkdir -p "$BILLET_CACHE/partial" "$BILLET_CACHE/lock"
    exec {lock}>"$BILLET_CACHE/lock/$name"
    flock -n "$lock" || { say "waiting for another build of $name"; flock "$lock"; }
    if [[ ! -d $entry ]]; then
        say "building $name (kept as $entry)"
        partial=$BILLET_CACHE/partial/$name-$key
        # What killed or failed builds of that name left; nobody else holds the lock.
        for old in "$BILLET_CACHE/partial/$name"-????????????????; do remove_tree "$old"; done
        mkdir "$partial"
        (cd "$partial" && "$@") {lock}>&-
        sync -f "$partial" # a power cut must not leave an entry with empty files
        mv -T "$partial" "$entry"
        prune "$name"
    fi
    exec {lock}>&-
}

# prune NAME: removes entries of that name that were not used for CACHE_DAYS.
prune() {
    local old
    while IFS= read -r -d '' old; do
        remove_tree "$old"
    done < <(find "$BILLET_CACHE" -maxdepth 1 -type d -name "$1-????????????????" -mtime +"$CACHE_DAYS" -print0)
}

# deliver FILE TARGET: a copy of a file of the cache, so that no change of TARGET (a machine that
# booted it, say) reaches the cache. Does nothing when TARGET is an untouched copy already.
deliver() {
    local from=$1 to=$2
    if [[ -f $to && $(stat -c '%s %.9Y' "$from") == "$(stat -c '%s %.9Y' "$to")" ]]; then
        return
    fi
    mkdir -p "$(dirname "$to")"
    cp --reflink=auto --sparse=always --preserve=timestamps "$from" "$to.new"
    mv -T "$to.new" "$to"
}
