"""From runs to a release: the gate, the bundle, its signature, its way to Nexus and the UI."""
