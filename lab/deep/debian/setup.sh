# Runs on the virtual machine at boot: its network, its name, its accounts.
. /run/iec4/machine
modprobe -a virtio_net virtio_console
hostname "$NAME"
ip link set lo up
ip address add "$ADDRESS" dev eth0
ip link set eth0 up
id=42001
for account in $ACCOUNTS; do
    groupdel "$account" 2>/dev/null || : # Debian has some that are nobody's
    useradd --uid "$id" --create-home --shell /bin/bash --password '*' "$account"
    id=$((id + 1))
done
