#!/bin/bash
# An empty machine: this machine's root file system under a temporary overlay.
# Arguments: the folder to use, the source to install. Runs in mount and pid namespaces of its own.
set -eu
here=$1 source=$2
mount -t tmpfs tmpfs "$here/layer"
mkdir "$here/layer/upper" "$here/layer/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$here/layer/upper,workdir=$here/layer/work" "$here/root"
root=$here/root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
for folder in run tmp var/tmp; do mount -t tmpfs -o mode=1777 tmpfs "$root/$folder"; done
chmod 755 "$root/run"
for file in resolv.conf hosts; do cat "/etc/$file" > "$root/etc/$file" || true; done
rm -rf "$root/etc/otpvoice" "$root/opt/otpvoice" "$root/srv/otpvoice" "$root/root/source"
cp -r "$source" "$root/root/source"
install "$(dirname "$0")/systemctl" "$root/usr/local/sbin/systemctl"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# Of the environment, only the variables for package registries are kept.
mapfile -t kept < <(env | grep -E '^(PIP_|SSL_CERT_|[a-z]+_proxy=)')
exec env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "${kept[@]}" \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot "$root" /bin/bash /root/source/walk.sh
