*** Settings ***
Documentation       The pods' network, in the words of Akraino's IEC Reference Foundation Overview
...                 (github.com/akraino-edge-stack/iec).
Library             iec4_keywords.pod_network.PodNetwork


*** Test Cases ***
The Container Network Is Policy Enabled
    [Documentation]    The container networking chosen for Kubernetes is policy enabled.
    [Tags]    K8S-132
    Given Pods Of Which Each Reaches Every Other
    When A Policy Names Who May Reach One Of Them
    Then Packets Of Those Arrive And No Others
