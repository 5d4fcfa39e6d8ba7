*** Settings ***
Documentation       What Jenkins does on the dedicated hosts, as the blueprint describes it.
Library             iec4_keywords.builds.Builds


*** Test Cases ***
The Dedicated Host's Agent Is Online
    [Documentation]    Jenkins reaches the dedicated host over SSH, and has an agent there.
    [Tags]    CICD-04
    Then An Agent With The Label Is Online    dc

A Job Runs A Script On A Dedicated Host
    [Documentation]    A Jenkins job triggers a script on a dedicated host over SSH, and its
    ...    output comes back.
    [Tags]    CICD-06
    Given A Script On The Dedicated Host
    Then A Job That Runs It Shows What The Script Says

A Failing Script Fails Its Build
    [Documentation]    A deployment script that fails makes its Jenkins build fail.
    [Tags]    CICD-07
    Given A Script On The Dedicated Host That Fails
    Then A Job That Runs It Fails
