*** Settings ***
Documentation       The Connected Vehicle Blueprint, in the words of Akraino's own description.
Library             iec4_keywords.vehicles.ConnectedVehicles


*** Test Cases ***
The Host Vehicle Gets A Pedestrian Warning
    [Documentation]    A roadside camera sees vehicles and pedestrians, the edge works it out,
    ...    and the host vehicle gets a pedestrian warning.
    [Tags]    CVB-39
    Given A Host Vehicle That Drives In The Area Of Edge-A
    When A Roadside Camera Of Edge-A Sees A Pedestrian Ahead Of It
    Then The Host Vehicle Gets A Pedestrian Warning From Edge-A

Data Is Collected From Other Edges
    [Documentation]    Where one edge's data is not enough, data is collected from other edges.
    [Tags]    CVB-12
    Given Only Edge-B Sees A Pedestrian
    Then Edge-A Tells Of The Pedestrian If It May Ask Its Neighbours

Data Is Sent On To The Edge That Needs It
    [Documentation]    Where one edge's data is not enough, data is sent on to the edge that needs it.
    [Tags]    CVB-14
    Given A Host Vehicle That Drives In The Area Of Edge-B
    When A Roadside Camera Of Edge-A Sees A Pedestrian Ahead Of It
    Then The Host Vehicle Gets A Pedestrian Warning From Edge-B
