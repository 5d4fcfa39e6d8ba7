#!/bin/sh
# A Jenkins in this directory, from what lies beside this script:
#
#   run.sh start     become Jenkins
#   run.sh current   succeed if what runs, or ran last, was started from what lies here now
set -eu
cd "$(dirname "$0")"
umask 077

fingerprint() {
    cat run.sh options war/.sha256 home/plugins/.sha256 casc.yaml secrets/* | sha256sum
}

case $1 in
current)
    [ -f started-from ] && [ "$(fingerprint)" = "$(cat started-from)" ]
    ;;
start)
    # Jenkins is closed to strangers before its configuration is read, and stays closed if that fails.
    [ -f home/config.xml ] || cat >home/config.xml <<'XML'
<?xml version='1.1' encoding='UTF-8'?>
<hudson>
  <numExecutors>0</numExecutors>
  <useSecurity>true</useSecurity>
  <authorizationStrategy class="hudson.security.FullControlOnceLoggedInAuthorizationStrategy">
    <denyAnonymousReadAccess>true</denyAnonymousReadAccess>
  </authorizationStrategy>
  <securityRealm class="hudson.security.HudsonPrivateSecurityRealm">
    <disableSignup>true</disableSignup>
  </securityRealm>
</hudson>
XML
    fingerprint >started-from
    export JENKINS_HOME="$PWD/home" CASC_JENKINS_CONFIG="$PWD/casc.yaml" SECRETS="$PWD/secrets"
    set -- -Djava.awt.headless=true
    # No wizard; and the permission to look at the system without changing it can be given.
    set -- "$@" -Djenkins.install.runSetupWizard=false -Djenkins.security.SystemReadPermission=true
    set -- "$@" -jar war/jenkins.war
    while read -r option; do
        set -- "$@" "$option"
    done <options
    exec java "$@"
    ;;
esac
