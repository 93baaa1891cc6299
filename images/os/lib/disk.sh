# shellcheck shell=bash
# A raw GPT disk that starts under BIOS and UEFI, made from files alone: no mount, no loop device,
# no root. Needs cache.sh and debian.sh of images/ramdisk/lib.
#
#   1  BIOS boot   1 MiB: GRUB's core image for BIOS
#   2  ESP         shim and GRUB as Debian signed them, GRUB's configuration
#   3  root        (Debian only) ext4, last, so that it can grow
#
# GRUB for BIOS finds its files relative to the disk that the firmware started, and GRUB for UEFI
# relative to itself: neither searches labels, so a second disk with the same image does no harm.

DISK_ALIGN=2048   # sectors of 512 bytes: 1 MiB
BIOS_START=2048
BIOS_SECTORS=2048
ESP_START=4096

# build_loaders: ./shimx64.efi and ./grubx64.efi, signed, and ./busybox, from Debian's packages.
build_loaders() {
    apt_update amd64
    fetch_packages amd64 "$PWD/package" shim-signed grub-efi-amd64-signed busybox-static
    mv package/usr/lib/shim/shimx64.efi.signed shimx64.efi
    mv package/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed grubx64.efi
    mv package/bin/busybox busybox || mv package/usr/bin/busybox busybox
    rm -rf package
}

# loaders: sets CACHED to the folder that build_loaders makes.
loaders() { cached loaders "$(hash_of "$(declare -f build_loaders)" "$DEBIAN_SUITE")" build_loaders; }

# little_endian BYTES NUMBER: the number as so many bytes.
little_endian() {
    local count=$1 value=$2
    while ((count-- > 0)); do
        printf '%b' "\\x$(printf '%02x' $((value & 255)))"
        value=$((value >> 8))
    done
}

# patch FILE OFFSET: overwrites the file from that offset with standard input.
patch() { dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

# make_esp OUT SECTORS LOADERS TREE: a FAT file system with the signed loaders and the files of TREE.
# EFI/debian is where Debian's signed GRUB looks for its grub.cfg.
make_esp() {
    local out=$1 sectors=$2 loaders=$3 tree=$4
    mkdir -p "$tree/EFI/BOOT"
    cp "$loaders/shimx64.efi" "$tree/EFI/BOOT/BOOTX64.EFI"
    cp "$loaders/grubx64.efi" "$tree/EFI/BOOT/grubx64.efi"
    find "$tree" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
    rm -f "$out"
    PATH=$PATH:/usr/sbin:/sbin mkfs.vfat -C --invariant -n ESP "$out" $((sectors / 2)) >/dev/null
    mcopy -i "$out" -s -m -Q "$tree"/* ::/
}

# make_disk OUT ESP [ROOT]: joins the file systems to a disk image with a GPT. The ids are
# fixed, as they are in every published image: who deploys it has the same on all machines.
make_disk() {
    local out=$1 esp=$2 root=${3:-} esp_sectors root_start=0 root_sectors=0 end
    esp_sectors=$(($(stat -c %s "$esp") / 512))
    end=$((ESP_START + esp_sectors))
    if [[ -n $root ]]; then
        root_start=$(((end + DISK_ALIGN - 1) / DISK_ALIGN * DISK_ALIGN))
        root_sectors=$(($(stat -c %s "$root") / 512))
        end=$((root_start + root_sectors))
    fi
    rm -f "$out"
    # 1 MiB behind the last partition: the backup GPT takes 33 sectors of it.
    truncate -s $(((end + DISK_ALIGN) * 512)) "$out"
    local table=(
        --clear --disk-guid=6262696c-6c65-7400-8000-000000000000
        --new="1:$BIOS_START:$((BIOS_START + BIOS_SECTORS - 1))" --typecode=1:ef02 --change-name=1:bios
        --partition-guid=1:6262696c-6c65-7400-8000-000000000001
        --new="2:$ESP_START:$((ESP_START + esp_sectors - 1))" --typecode=2:ef00 --change-name=2:esp
        --partition-guid=2:6262696c-6c65-7400-8000-000000000002
    )
    dd if="$esp" of="$out" bs=512 seek=$ESP_START conv=notrunc,sparse status=none
    if [[ -n $root ]]; then
        table+=(
            --new="3:$root_start:$((root_start + root_sectors - 1))" --typecode=3:8304 --change-name=3:root
            --partition-guid=3:6262696c-6c65-7400-8000-000000000003
        )
        dd if="$root" of="$out" bs=1M seek=$((root_start / 2048)) conv=notrunc,sparse status=none
    fi
    PATH=$PATH:/usr/sbin:/sbin sgdisk "${table[@]}" "$out" >/dev/null
}

# bios_grub DISK PREFIX MODULE...: GRUB for BIOS into partition 1 and the boot sector. PREFIX is where its
# files and grub.cfg are, as in "(,gpt2)/grub": a partition of the disk that was started.
bios_grub() {
    local disk=$1 prefix=$2 modules=/usr/lib/grub/i386-pc core
    shift 2
    core=$(mktemp "$PWD/core.XXXXXX")
    grub-mkimage -O i386-pc -d "$modules" -p "$prefix" -o "$core" biosdisk part_gpt normal linux echo boot test "$@"
    (($(stat -c %s "$core") <= BIOS_SECTORS * 512)) || die "GRUB's core image does not fit into the BIOS boot partition"
    # The first sector of the core loads the rest from the sector written at 0x1f4 (GRUB's
    # boot/i386/pc/diskboot.S), the boot sector loads the core from the one at 0x5c; two NOPs at 0x66 make it
    # trust the drive number of the firmware (boot.S), as grub-bios-setup does for hard disks.
    little_endian 8 $((BIOS_START + 1)) | patch "$core" $((0x1f4))
    dd if="$core" of="$disk" bs=512 seek=$BIOS_START conv=notrunc status=none
    dd if="$modules/boot.img" of="$disk" bs=440 count=1 conv=notrunc status=none
    little_endian 8 $BIOS_START | patch "$disk" $((0x5c))
    printf '\x90\x90' | patch "$disk" $((0x66))
    rm "$core"
}

# import_forms NAME: beside NAME.raw the form that one imports, NAME.raw.zst, and for both the digest
# as sha256sum prints it.
import_forms() {
    local file
    zstd -q -10 -T0 --no-progress -f "$1.raw" -o "$1.raw.zst"
    for file in "$1.raw" "$1.raw.zst"; do
        sha256sum "$file" >"$file.sha256"
    done
}

# deliver_image NAME OUT: copies of what import_forms made, as OUT, OUT.zst and their .sha256.
deliver_image() {
    local suffix
    for suffix in '' .zst; do
        deliver "$CACHED/$1.raw$suffix" "$2$suffix"
        sed "s,  .*,  $(basename "$2$suffix")," "$CACHED/$1.raw$suffix.sha256" >"$2$suffix.sha256"
    done
}

# need_disk_tools: ends with a sentence when a program of this file is missing.
need_disk_tools() {
    local tool
    for tool in apt-get:apt dpkg-deb:dpkg depmod:kmod cpio:cpio fakeroot:fakeroot zstd:zstd \
        sgdisk:gdisk mkfs.vfat:dosfstools mcopy:mtools grub-mkimage:grub-common; do
        need "${tool%:*}" "${tool#*:}"
    done
    [[ -f /usr/lib/grub/i386-pc/boot.img ]] || die "/usr/lib/grub/i386-pc is missing; run lab/setup, or install the package grub-pc-bin"
}
