"""What Jenkins itself does to a job's config.xml, as tables.

Source, unless a line says otherwise: the recorded jobs in fixtures/recordings/jenkins/drift
(Jenkins 2.528.2; each as Job Builder rendered it and as Jenkins saved it).
"""

from __future__ import annotations

import re

from lab.jenkins.config_xml import Element, parse

#: Texts that a field has when nobody set it. Jenkins adds such fields at a save, and drops
#: such fields of a definition that it does not know (any more).
UNSET = frozenset({"", "false", "0", "0.0"})

#: Fields that Job Builder renders with another value than those, and that do not exist in
#: Jenkins: their default, by (tag of the parent, tag). Any other value asked for something.
DROPPED_DEFAULTS = {
    # Job Builder gives a folder what freestyle jobs have (drift/folder).
    ("com.cloudbees.hudson.plugins.folder.Folder", "canRoam"): "true",
    ("com.cloudbees.hudson.plugins.folder.Folder", "primaryView"): "All",
}

#: Fields that Job Builder renders twice, and where the one stands that Jenkins keeps: by (tag of
#: the parent, tag), the path from the parent (git's reference repository; Job Builder 6.5).
KEPT_ELSEWHERE = {
    ("scm", "reference"): "extensions/hudson.plugins.git.extensions.impl.CloneOption/reference",
}

#: What Jenkins adds that is neither unset nor a person's, by (tag of the parent, tag).
ADDED_DEFAULTS: dict[tuple[str, str], Element] = {
    # Every folder has a view of all its jobs (drift/folder).
    ("com.cloudbees.hudson.plugins.folder.Folder", "folderViews"): parse(
        """\
<folderViews class="com.cloudbees.hudson.plugins.folder.views.DefaultFolderViewHolder">
  <views>
    <hudson.model.AllView>
      <owner class="com.cloudbees.hudson.plugins.folder.Folder" reference="../../../.."/>
      <name>All</name>
      <filterExecutors>false</filterExecutors>
      <filterQueue>false</filterQueue>
      <properties class="hudson.model.View$PropertyList"/>
    </hudson.model.AllView>
  </views>
  <tabBar class="hudson.views.DefaultViewsTabBar"/>
</folderViews>"""
    ),
    # Every result but ABORTED and NOT_BUILT says so of itself (hudson.model.Result).
    ("threshold", "completeBuild"): parse("<completeBuild>true</completeBuild>"),
}

#: Classes that say "nothing chosen" where they stand as an attribute of an empty element.
UNSET_CLASSES = frozenset(
    {
        "com.cloudbees.hudson.plugins.folder.icons.StockFolderIcon",
        "hudson.model.View$PropertyList",
        "hudson.scm.NullSCM",
        "hudson.views.DefaultViewsTabBar",
    }
)

#: Classes that only say in what a list is kept in memory; they come and go with versions
#: (``<triggers class="vector">`` loses its class, drift/fs-rotation-timed).
COLLECTION_CLASS = re.compile(r"vector|(linked-|empty-)?(list|set|map)|tree-set|java\.util\.\S+")

#: Elements and classes that have a new name, old name first (drift/fs-allure).
RENAMED = {
    "ru.yandex.qatools.allure.jenkins.AllureReportPublisher": (
        "org.allurereport.jenkins.AllureReportPublisher"
    ),
}

#: What Job Builder puts into each description, and a view loses (drift/view-list).
MANAGED = "<!-- Managed by Jenkins Job Builder -->"

#: A secret as Jenkins keeps it: base64 in braces; AQAA is the head of its format
#: (drift/fs-parameters).
ENCRYPTED = re.compile(r"\{AQAA[A-Za-z0-9+/=]+\}")

#: Elements whose text is never shown.
SECRET_TAG = re.compile(r"password|passphrase|secret|token$", re.IGNORECASE)
SECRET_FIELDS = {("hudson.model.PasswordParameterDefinition", "defaultValue")}

#: A whole number that comes back as a float: ``95`` as ``95.0`` (drift/fs-robot).
WHOLE, FLOAT = re.compile(r"-?[0-9]+"), re.compile(r"-?[0-9]+\.0")

#: Free text, in which ``1`` and ``1.0`` are two things.
FREE_TEXT = frozenset(
    {"command", "defaultValue", "description", "displayName", "name", "script", "spec", "string"}
)

#: Elements of lists of values. Each is there because somebody wrote it, an empty one too.
VALUES = frozenset({"a", "boolean", "entry", "int", "long", "string"})

#: Lists of things to do or to have; each child is there because somebody put it there.
ENTRIES = frozenset(
    {
        "bindings",
        "branches",
        "builders",
        "buildWrappers",
        "columns",
        "extensions",
        "jobFilters",
        "operationList",
        "parameterDefinitions",
        "properties",
        "publishers",
        "triggers",
        "userRemoteConfigs",
    }
)

#: Lists whose order has a meaning among children of different tags too.
IN_ORDER = frozenset({"builders"})

#: Children that Jenkins keeps sorted, in whatever order they were given (matrix-auth).
SORTED_BY_JENKINS = frozenset({"permission"})

#: Classes of the Jenkins core, and of plugins that no list of job plugins goes without: when
#: such an entry is missing, Jenkins did not drop it for want of a plugin.
NEVER_DROPPED = frozenset(
    {
        "hudson.model.BooleanParameterDefinition",
        "hudson.model.ChoiceParameterDefinition",
        "hudson.model.ParametersDefinitionProperty",
        "hudson.model.PasswordParameterDefinition",
        "hudson.model.StringParameterDefinition",
        "hudson.model.TextParameterDefinition",
        "hudson.tasks.ArtifactArchiver",
        "hudson.tasks.BatchFile",
        "hudson.tasks.Shell",
        "hudson.triggers.TimerTrigger",
        "jenkins.model.BuildDiscarderProperty",
    }
)

#: How a declarative run writes down what it took from the Jenkinsfile
#: (drift/pipe-inline/saved-after-run.xml).
RUN_ACTION = "org.jenkinsci.plugins.pipeline.modeldefinition.actions.DeclarativeJobAction"
RUN_TRACKER = (
    "org.jenkinsci.plugins.pipeline.modeldefinition.actions.DeclarativeJobPropertyTrackerAction"
)
TRIGGERS_PROPERTY = "org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty"
PARAMETERS_PROPERTY = "hudson.model.ParametersDefinitionProperty"
