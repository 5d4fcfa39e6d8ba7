*** Settings ***
Documentation       Services on the Tars platform, as the blueprint describes them.
Library             iec4_keywords.platform.Platform


*** Test Cases ***
A Service Is Found By Name
    [Documentation]    A service that runs on the platform is found by its object name.
    [Tags]    PAAS-02
    When A Service Runs On The Platform
    Then It Is Found By Its Object Name

A Service Restarts
    [Documentation]    A restart replaces the process, and the service answers.
    [Tags]    PAAS-10
    Given A Service Runs On The Platform
    Then After A Restart Another Process Answers

Optional Servers Can Be Absent
    [Documentation]    Lightweight and pluggable: services work without each of the framework's optional servers.
    [Tags]    PAAS-55
    Given A Service Runs On The Platform
    When The Optional Servers Are Absent
    Then The Service Works And Their Absence Is Told

A Killed Service Comes Back
    [Documentation]    The platform restarts a service whose process dies.
    [Tags]    PAAS-12
    Given A Service Runs On The Platform
    When Its Process Is Killed
    Then The Platform Brings It Back
