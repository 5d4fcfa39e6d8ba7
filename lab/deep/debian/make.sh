# Makes the disk of a deep lab's virtual machine from Debian's packages, with kernel and initramfs.
#
#     sh make.sh PLACE RELEASE PACKAGES FILES
#
# Writes PLACE/{disk,kernel,initramfs}. FILES is a directory of this machine's that goes into /.
# Accounts and keys are not in it: each lab gives its own (setup.sh).
set -eu
place=$1 release=$2 packages=$3 files=$4
root=$place/root

mmdebstrap --mode=root --variant=minbase --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' "$release" "$root"

unset TMPDIR # it means nothing in there
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
cp -r "$files/." "$root"
sed -i -E -e 's/^(PASS_MAX_DAYS).*/\1 90/' -e 's/^(PASS_MIN_DAYS).*/\1 1/' \
    -e 's/^(UMASK).*/\1 027/' -e '$aSHA_CRYPT_MIN_ROUNDS 10000\nSHA_CRYPT_MAX_ROUNDS 20000' \
    "$root/etc/login.defs"

# Maturity wants USBGuard (USB-3000), strict: it has no bus to guard, so that nothing need run.
sed -i 's/^PresentControllerPolicy=.*/PresentControllerPolicy=apply-policy/' \
    "$root/etc/usbguard/usbguard-daemon.conf"
install -m 600 /dev/null "$root/etc/usbguard/rules.conf"

# What a virtual machine without screen, sleep or other buses does not need, and what would run
# while it is judged. Emulated in software, each unit takes half a second.
chroot "$root" systemctl --quiet enable iec4-setup.service chrony.service ssh.service
chroot "$root" systemctl --quiet mask systemd-udev-trigger.service \
    modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service \
    modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service \
    dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount \
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    proc-sys-fs-binfmt_misc.automount getty@tty1.service getty-static.service \
    serial-getty@ttyS0.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer lynis.timer \
    dbus.service dbus.socket usbguard.service usbguard-dbus.service

version=$(ls "$root/lib/modules")
chroot "$root" mktirfs -o "/boot/initrd.img-$version" "$version"
cp "$root/boot/vmlinuz-$version" "$place/kernel"
cp "$root/boot/initrd.img-$version" "$place/initramfs"
truncate -s 3G "$place/disk"
mke2fs -q -t ext4 -L root -d "$root" "$place/disk"
rm -rf "$root"
