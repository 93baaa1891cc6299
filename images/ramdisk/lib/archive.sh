# shellcheck shell=bash
# A folder as an initramfs: cpio "newc", sorted, owned by root, one fixed time, so
# that the same files always give the same bytes. Needs cache.sh.

# initramfs ROOT OUT: packs the folder ROOT. The device /dev/console is added, since the kernel opens
# it for /init before anything can mount devtmpfs. OUT's length is a multiple of 512 bytes: a
# second archive (the site's certificates) can simply be appended, which the kernel reads
# only from a 4-byte boundary.
initramfs() {
    local root=$1 out=$2 size
    mkdir -p "$root"/{proc,sys,dev,run,tmp,etc,root}
    chmod 1777 "$root/tmp"
    # fakeroot also when we are root: containers may forbid device nodes.
    fakeroot -- bash -euo pipefail -s -- "$root" >"$out.cpio" <<'INSIDE'
cd "$1"
chown -R 0:0 .
[[ -e dev/console ]] || mknod -m 0600 dev/console c 5 1
find . -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
find . -mindepth 1 -print0 | sort -z | cpio --quiet --null --create --format=newc --reproducible
INSIDE
    # Of what the kernel unpacks, zstd is the smallest but xz, and unpacks far faster than that.
    zstd -q -19 --no-progress -f "$out.cpio" -o "$out"
    rm "$out.cpio"
    size=$(stat -c %s "$out")
    truncate -s $(((size + 511) / 512 * 512)) "$out"
}

# plain_archive ROOT OUT: packs the folder ROOT as it is, without the device, for a reader that is not the kernel.
plain_archive() {
    local root=$1 out=$2
    fakeroot -- bash -euo pipefail -s -- "$root" >"$out.cpio" <<'INSIDE'
cd "$1"
chown -R 0:0 .
find . -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
find . -mindepth 1 -print0 | sort -z | cpio --quiet --null --create --format=newc --reproducible
INSIDE
    zstd -q -19 --no-progress -f "$out.cpio" -o "$out"
    rm "$out.cpio"
}
