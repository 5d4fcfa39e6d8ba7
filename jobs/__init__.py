"""The Jenkins jobs as data: definitions for Jenkins Job Builder, rendering and lint."""
