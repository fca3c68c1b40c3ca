#!/bin/sh
# kernel.sh: the distribution's kernel for virtual machines and its modules, unpacked: no script of its package runs, for those would
# make an initrd, and guests have one of their own. Left in /boot for whoever packs the image.
set -eu
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$package" ] || { echo "kernel.sh: apt knows no linux-image-cloud-amd64" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq -o APT::Sandbox::User=root "$package"
dpkg-deb -x "$package"_*.deb unpacked
mkdir -p /boot /usr/lib/modules
mv unpacked/boot/vmlinuz-* /boot
for modules in unpacked/lib/modules/* unpacked/usr/lib/modules/*; do
    [ -d "$modules" ] || continue
    version=${modules##*/}
    rm -rf "/usr/lib/modules/$version"
    mv "$modules" /usr/lib/modules
    depmod "$version"
done
