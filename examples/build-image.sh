#!/bin/sh
# Makes an OCI image archive of Debian's static busybox: a shell and its tools, nothing else.
#
#   build-image.sh OUT.tar NAME:TAG
#
# The same busybox gives the same bytes. SOURCE_DATE_EPOCH sets the files' time (0).
set -eu
umask 022
LC_ALL=C
export LC_ALL

if [ $# != 2 ]; then
	echo "usage: $0 OUT.tar NAME:TAG" >&2
	exit 2
fi
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
name=$2
epoch=${SOURCE_DATE_EPOCH:-0}
busybox=$(command -v busybox) || {
	echo "$0: busybox is missing: install the package busybox-static" >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# pack FOLDER: a tar of what is in it, sorted, all root's, one time.
pack() {
	tar -C "$1" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$epoch" --format=ustar -cf - .
}

# blob FILE: into the layout under its digest, which is printed.
blob() {
	digest=$(sha256sum "$1" | cut -d' ' -f1)
	mv "$1" "$work/layout/blobs/sha256/$digest"
	echo "$digest"
}
size_of() { stat -c %s "$work/layout/blobs/sha256/$1"; }

mkdir -p "$work/root" "$work/layout/blobs/sha256"
cd "$work/root"
mkdir bin dev etc home proc root run sys tmp var var/run var/tmp www
chmod 1777 tmp var/tmp
cp "$busybox" bin/busybox
chmod 755 bin/busybox
bin/busybox --list | while read -r applet; do
	[ "$applet" = busybox ] || ln -s busybox "bin/$applet"
done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
cd /

pack "$work/root" >"$work/layer.tar"
diff_id=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
gzip -9n "$work/layer.tar"
layer=$(blob "$work/layer.tar.gz")

case $(uname -m) in
x86_64) architecture=amd64 ;;
aarch64) architecture=arm64 ;;
*) architecture=$(uname -m) ;;
esac
created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)
printf '{"created":"%s","architecture":"%s","os":"linux","config":{"Env":["%s"],"Cmd":["/bin/sh"],"WorkingDir":"/"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
	"$created" "$architecture" "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$diff_id" >"$work/config"
config=$(blob "$work/config")

oci=application/vnd.oci.image
printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"%s","digest":"sha256:%s","size":%s}]}' \
	"$oci.manifest.v1+json" "$oci.config.v1+json" "$config" "$(size_of "$config")" \
	"$oci.layer.v1.tar+gzip" "$layer" "$(size_of "$layer")" >"$work/manifest"
manifest=$(blob "$work/manifest")

printf '{"imageLayoutVersion":"1.0.0"}' >"$work/layout/oci-layout"
printf '{"schemaVersion":2,"mediaType":"%s","manifests":[{"mediaType":"%s","digest":"sha256:%s","size":%s,"annotations":{"org.opencontainers.image.ref.name":"%s"}}]}' \
	"$oci.index.v1+json" "$oci.manifest.v1+json" "$manifest" "$(size_of "$manifest")" "$name" \
	>"$work/layout/index.json"

pack "$work/layout" >"$out"
