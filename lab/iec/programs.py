"""Which of the cluster's programs each kind of lab runs."""

#: An embedded cluster's.
PROGRAMS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
    "calico-node", "calico-cni", "agnhost",
)  # fmt: skip
