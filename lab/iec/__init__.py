"""The IEC cluster: Kubernetes with Calico, as the blueprint's IaaS layer has it."""
