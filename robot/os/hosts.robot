*** Settings ***
Documentation       The dedicated hosts, as deployment scripts and strangers meet them.
Library             iec4_keywords.hosts.Hosts


*** Test Cases ***
Deployment Scripts Reach Every Host
    [Documentation]    Deployment scripts reach every dedicated host over SSH with the accounts' keys.
    [Tags]    OS-02
    Given Every Host Answers
    Then Every Account's Key Opens Its Host

The Nodes Are Dedicated
    [Documentation]    Jenkins Master, Tars Master and Tars Agent are dedicated nodes.
    [Tags]    OS-24
    Given Every Host Answers
    Then These Roles Are On Machines Of Their Own    jenkins-master    tars-master    tars-agent

Root Is Refused
    [Documentation]    Nobody logs in to a host as root.
    [Tags]    OS-05
    Given Every Host Answers
    Then Nobody Gets In As    root
