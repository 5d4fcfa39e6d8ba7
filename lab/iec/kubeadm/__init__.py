"""IEC's cluster by kubeadm, on machines of their own: the same list of steps for every lab."""
