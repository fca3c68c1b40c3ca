#!/bin/sh
# orthanc_release.sh SUITE FOLDER: puts the Orthanc of another Debian suite, its plugins and the libraries that they need
# into FOLDER, whole or not at all. Nothing is installed: the packages are unpacked, and apt works in folders of its own
# with the signatures checked as always. The archive is the one that this system's own apt uses, and so are proxies, log-ins
# and whatever else is set in /etc/apt about ways to it.
set -eu
suite=$1
folder=$2
packages="orthanc orthanc-dicomweb orthanc-gdcm orthanc-postgresql"

fail() {
    echo "orthanc_release.sh: $*" >&2
    exit 3
}

workshop=$(mktemp -d)
new=$folder.new
trap 'rm -rf "$workshop" "$new"' EXIT
trap 'exit 130' INT TERM HUP

archive=$(apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' \
    'Component: main' | head -n 1)
[ -n "$archive" ] || fail "this system's apt knows no archive of Debian, so there is none to take '$suite' from"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e $keys ] || fail "$keys is missing; apt-get install debian-archive-keyring"

mkdir -p "$workshop/etc/preferences.d" "$workshop/lists/partial" "$workshop/archives/partial"
: >"$workshop/status"
echo "deb [signed-by=$keys] $archive $suite main" >"$workshop/etc/sources.list"
cat >"$workshop/apt.conf" <<END
Dir::Etc::sourcelist "$workshop/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "$workshop/etc/preferences.d";
APT::Default-Release "";
# What the system does after its own updates is none of our business.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "$workshop";
Dir::State::lists "$workshop/lists";
Dir::State::status "$workshop/status";
Dir::Cache "$workshop";
Dir::Cache::archives "$workshop/archives";
# A mirror may stand still for weeks; an older release, signed as ever, harms nobody in a folder of its own.
Acquire::Check-Valid-Until "false";
APT::Sandbox::User "$(id -un)";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
END
export LC_ALL=C.UTF-8
apt-get -c "$workshop/apt.conf" update -qq # read after the system's own settings
# shellcheck disable=SC2086  # several words
apt-get -c "$workshop/apt.conf" install -qq --yes --download-only $packages >/dev/null

# Of the packages, only what Orthanc opens: no package's scripts run, and no other program is kept.
mkdir -p "$workshop/all" "$new"
for package in "$workshop"/archives/*.deb; do
    dpkg-deb --extract "$package" "$workshop/all"
done
(
    cd "$workshop/all"
    kept=
    for part in usr/sbin/Orthanc usr/lib/orthanc usr/lib/lib*.so* usr/share/orthanc usr/share/*dcmtk* usr/lib64 lib64 lib/*-linux-gnu* usr/lib/*-linux-gnu*; do
        [ ! -e "$part" ] || kept="$kept $part"
    done
    # shellcheck disable=SC2086
    tar -c --exclude='*/perl*' --exclude='*/gconv' --exclude='*/systemd' $kept | tar -x -C "$new"
)
[ -x "$new/usr/sbin/Orthanc" ] || fail "the packages of '$suite' hold no usr/sbin/Orthanc"
chmod -R a+rX "$new"
rm -rf "$folder"
mv "$new" "$folder"
