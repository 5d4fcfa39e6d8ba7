*** Settings ***
Documentation       The IaaS layer, in the words of Akraino's IEC architecture document
...                 (wiki.akraino.org, page 11993694).
Library             iec4_keywords.cluster.IecCluster


*** Test Cases ***
Applications Run As Containers With Orchestration
    [Documentation]    Edge applications run as containers with container orchestration, based on Kubernetes.
    [Tags]    K8S-80
    Given An Application Of 2 Containers
    When One Of Its Containers Ends
    Then 2 Containers Run Without It

Calico Is The Container Network
    [Documentation]    The container network interface chosen for Kubernetes is project Calico.
    [Tags]    K8S-29
    Given An Application Of 2 Containers
    Then Calico Gave Each Container Its Address
