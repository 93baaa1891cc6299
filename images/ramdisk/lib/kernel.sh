# shellcheck shell=bash
# Debian's kernel and its modules, from the package, without installing it: modules are
# looked up with all that they need, in the order in which a program without modprobe must load them.
# Needs cache.sh and debian.sh.

# build_kernel ARCHITECTURE FLAVOUR: ./vmlinuz, ./version and ./lib/modules/VERSION with plain .ko files.
build_kernel() {
    local package version
    apt_update "$1"
    package=$(newest_kernel "$1" "$2")
    [[ -n $package ]] || die "Debian's package lists name no $1 kernel for the flavour $2"
    say "kernel: $package"
    fetch_packages "$1" "$PWD/package" "$package"
    version=${package#linux-image-}
    mv "package/boot/vmlinuz-$version" vmlinuz
    mkdir lib
    mv package/lib/modules lib/modules
    rm -rf package
    # Later suites pack their modules; the agent loads plain ones only.
    find lib/modules -name '*.ko.xz' -exec xz -d {} +
    find lib/modules -name '*.ko.zst' -exec zstd -q -d --rm {} +
    PATH=$PATH:/usr/sbin:/sbin depmod -b "$PWD" "$version"
    printf '%s\n' "$version" >version
    chmod 0644 vmlinuz
}

# kernel FLAVOUR [ARCHITECTURE]: sets CACHED to the folder that build_kernel makes.
kernel() {
    local name=$1 architecture=${2:-amd64}
    [[ $architecture == amd64 ]] || name=$1-$architecture
    cached "kernel-$name" "$(hash_of "$(declare -f build_kernel newest_kernel)" "$DEBIAN_SUITE" "$architecture" "$1")" \
        build_kernel "$architecture" "$1"
}

# module_order KERNEL MODULE...: paths below lib/modules/VERSION of those modules and of all that
# they depend on, each after what it needs. Names that this kernel has built in, or does not
# have, are left out; the latter are told.
module_order() {
    local kernel=$1 tree
    shift
    tree=$kernel/lib/modules/$(<"$kernel/version")
    awk -v wanted="$*" '
        # Names are compared with _ for -, as the kernel does.
        function name(path) { sub(/^.*\//, "", path); sub(/\.ko.*$/, "", path); gsub(/-/, "_", path); return path }
        function load(path,   parts, count, i) {
            if (path in loaded) return
            loaded[path] = 1
            # The line lists the nearest need first; the last must be loaded first.
            count = split(needs[path], parts, " ")
            for (i = count; i >= 1; i--) load(parts[i])
            count = split(soft[name(path)], parts, " ")
            for (i = 1; i <= count; i++) if (parts[i] in file) load(file[parts[i]])
            print path
        }
        FILENAME ~ /modules\.dep$/ { path = $1; sub(/:$/, "", path); file[name(path)] = path; $1 = ""; needs[path] = $0; next }
        FILENAME ~ /modules\.builtin$/ { builtin[name($1)] = 1; next }
        FILENAME ~ /modules\.softdep$/ && $1 == "softdep" {
            pre = 0
            for (i = 3; i <= NF; i++) {
                if ($i == "pre:") pre = 1
                else if ($i == "post:") pre = 0
                else if (pre) { other = $i; gsub(/-/, "_", other); key = $2; gsub(/-/, "_", key); soft[key] = soft[key] " " other }
            }
        }
        END {
            count = split(wanted, list, " ")
            for (i = 1; i <= count; i++) {
                key = list[i]; gsub(/-/, "_", key)
                if (key in file) load(file[key])
                else if (!(key in builtin)) missing = missing " " list[i]
            }
            if (missing != "") print "not in this kernel:" missing > "/dev/stderr"
        }' "$tree/modules.dep" "$tree/modules.builtin" "$tree/modules.softdep"
}

# copy_modules KERNEL ROOT MODULE...: puts the modules into ROOT/lib/modules/VERSION and prints
# their paths as seen from ROOT, in the order of loading.
copy_modules() {
    local kernel=$1 root=$2 version path
    shift 2
    version=$(<"$kernel/version")
    while IFS= read -r path; do
        install -D -m 0644 "$kernel/lib/modules/$version/$path" "$root/lib/modules/$version/$path"
        printf '/lib/modules/%s/%s\n' "$version" "$path"
    done < <(module_order "$kernel" "$@")
}

# words FILE: the words of a list with comments, one a line.
words() { sed 's/#.*//' "$1" | tr -s '[:space:]' '\n' | sed '/^$/d'; }
