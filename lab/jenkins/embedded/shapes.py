"""What Jenkins keeps of a job's elements when it saves it, in which order, and what it adds.

Taken from recorded jobs (posted and saved). A shape is one string of fields in the order in
which they are saved; the mark behind a name says what it holds:

- ``name``    text, kept when it is there; ``name=x`` also added with that value;
- ``name*``   elements of known classes, others vanish; ``name*=`` also added when missing;
- ``name@``   an object of the class that its attribute ``class`` names;
- ``name~``   kept as it is; ``name~=`` also added when missing;
- ``name%``   a number that becomes a decimal fraction (95 → 95.0);
- ``name!``   a secret, which is saved encrypted.

A field that a shape does not name is dropped at the next save.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """``fields`` None: recorded only as being kept. ``plugin``: whose class it is."""

    fields: str | None = ""
    plugin: str = ""
    renamed: str = ""


FREESTYLE = "project"
PIPELINE = "flow-definition"
FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"

_PARAMETER = "name description defaultValue"
_PATTERNS = "patterns~ deleteDirs=false"
_CLEAN_WHEN = (
    "cleanWhenSuccess=true cleanWhenUnstable=true cleanWhenFailure=true cleanWhenNotBuilt=true "
    "cleanWhenAborted=true notFailBuild=false"
)
_BINDINGS = "org.jenkinsci.plugins.credentialsbinding.impl."

SHAPES: dict[str, Shape] = {
    FREESTYLE: Shape(
        "actions~ description displayName logRotator@ keepDependencies=false properties*= scm@ "
        "quietPeriod scmCheckoutRetryCount assignedNode canRoam=true disabled=false "
        "blockBuildWhenDownstreamBuilding=false blockBuildWhenUpstreamBuilding=false "
        "triggers*= concurrentBuild=false customWorkspace builders*= publishers*= buildWrappers*="
    ),
    PIPELINE: Shape(
        "actions~ description displayName keepDependencies=false properties*= definition@ "
        "triggers* quietPeriod disabled=false",
        "workflow-job",
    ),
    FOLDER: Shape(
        "actions~ description displayName properties*= folderViews~= healthMetrics~= icon~",
        "cloudbees-folder",
    ),
    # properties
    "hudson.model.ParametersDefinitionProperty": Shape("parameterDefinitions*"),
    "hudson.model.StringParameterDefinition": Shape(f"{_PARAMETER} trim=false"),
    "hudson.model.TextParameterDefinition": Shape(f"{_PARAMETER} trim=false"),
    "hudson.model.BooleanParameterDefinition": Shape(_PARAMETER),
    "hudson.model.ChoiceParameterDefinition": Shape("name description choices~"),
    "hudson.model.PasswordParameterDefinition": Shape("name description defaultValue!"),
    "jenkins.model.BuildDiscarderProperty": Shape("strategy@"),
    "hudson.tasks.LogRotator": Shape(
        "daysToKeep numToKeep artifactDaysToKeep artifactNumToKeep removeLastBuild=false"
    ),
    "org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty": Shape(
        "abortPrevious=false"
    ),
    "org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty": Shape(
        "triggers*="
    ),
    "hudson.plugins.throttleconcurrents.ThrottleJobProperty": Shape(None, "throttle-concurrents"),
    "hudson.plugins.buildblocker.BuildBlockerProperty": Shape(None, "build-blocker-plugin"),
    # triggers
    "hudson.triggers.TimerTrigger": Shape("spec"),
    "hudson.triggers.SCMTrigger": Shape("spec ignorePostCommitHooks=false"),
    # source code, pipeline definitions
    "hudson.scm.NullSCM": Shape(),
    "hudson.plugins.git.GitSCM": Shape(
        "configVersion userRemoteConfigs* branches* doGenerateSubmoduleConfigurations=false "
        "gitTool submoduleCfg~ extensions~",
        "git",
    ),
    "hudson.plugins.git.UserRemoteConfig": Shape("name refspec url credentialsId"),
    "hudson.plugins.git.BranchSpec": Shape("name"),
    "org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition": Shape(
        "script sandbox=false", "workflow-cps"
    ),
    "org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition": Shape(
        "scm@ scriptPath lightweight=false", "workflow-cps"
    ),
    # builders
    "hudson.tasks.Shell": Shape("command configuredLocalRules~="),
    "hudson.tasks.BatchFile": Shape("command configuredLocalRules~="),
    # publishers
    "hudson.tasks.junit.JUnitResultArchiver": Shape(
        "testResults keepProperties=false keepTestNames=false testDataPublishers~= "
        "healthScaleFactor=1.0 allowEmptyResults=false skipPublishingChecks=false "
        "skipMarkingBuildUnstable=false skipOldReports=false",
        "junit",
    ),
    "hudson.tasks.ArtifactArchiver": Shape(
        "artifacts excludes latestOnly=false allowEmptyArchive=false onlyIfSuccessful=false "
        "fingerprint=false defaultExcludes=true caseSensitive=true followSymlinks=false"
    ),
    "hudson.plugins.descriptionsetter.DescriptionSetterPublisher": Shape(
        "regexp regexpForFailed description setForMatrix=false appendMode=false",
        "description-setter",
    ),
    "hudson.plugins.robot.RobotPublisher": Shape(
        "archiveDirName outputPath reportFileName logFileName outputFileName "
        "disableArchiveOutput=false passThreshold% unstableThreshold% otherFiles~ "
        "enableCache=true useArtifactManager=false countSkippedTests=false",
        "robot",
    ),
    "org.allurereport.jenkins.AllureReportPublisher": Shape("config@", "allure-jenkins-plugin"),
    "ru.yandex.qatools.allure.jenkins.AllureReportPublisher": Shape(
        "config@",
        "allure-jenkins-plugin",
        renamed="org.allurereport.jenkins.AllureReportPublisher",
    ),
    "config": Shape("jdk commandline properties~ results~ reportBuildPolicy includeProperties"),
    "hudson.plugins.ws__cleanup.WsCleanup": Shape(
        f"{_PATTERNS} skipWhenFailed=false {_CLEAN_WHEN} cleanupMatrixParent=false "
        "externalDelete disableDeferredWipeout=false",
        "ws-cleanup",
    ),
    "hudson.plugins.emailext.ExtendedEmailPublisher": Shape(None, "email-ext"),
    "hudson.tasks.Mailer": Shape(None, "mailer"),
    "hudson.plugins.parameterizedtrigger.BuildTrigger": Shape(None, "parameterized-trigger"),
    # wrappers
    "hudson.plugins.ws__cleanup.PreBuildCleanup": Shape(
        f"{_PATTERNS} cleanupParameter externalDelete disableDeferredWipeout=false", "ws-cleanup"
    ),
    "hudson.plugins.build__timeout.BuildTimeoutWrapper": Shape(
        "strategy~ operationList~ timeoutEnvVar", "build-timeout"
    ),
    "hudson.plugins.timestamper.TimestamperBuildWrapper": Shape("", "timestamper"),
    "org.jenkinsci.plugins.credentialsbinding.impl.SecretBuildWrapper": Shape(
        "bindings*", "credentials-binding"
    ),
    f"{_BINDINGS}StringBinding": Shape("credentialsId variable"),
    f"{_BINDINGS}FileBinding": Shape("credentialsId variable"),
    f"{_BINDINGS}UsernamePasswordBinding": Shape("credentialsId variable"),
    "com.cloudbees.jenkins.plugins.sshagent.SSHAgentBuildWrapper": Shape(None, "ssh-agent"),
}
