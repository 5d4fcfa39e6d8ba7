*** Settings ***
Documentation       The virtual classroom, as the blueprint describes it.
Library             iec4_keywords.classroom.Classroom


*** Test Cases ***
Teacher And Student Meet In The Virtual Classroom
    [Documentation]    Teacher and student join the same virtual classroom and learn of each other.
    [Tags]    SAAS-06
    Given The Teacher Opens A Classroom
    When The Student Joins
    Then Teacher And Student See Each Other

The Student Hears The Teacher
    [Documentation]    A student hears what the teacher says.
    [Tags]    SAAS-08
    Given The Teacher Opens A Classroom
    And The Student Joins
    When The Teacher Speaks    tone_hz=440
    Then The Student Hears The Teacher

Leaving Is Announced
    [Documentation]    Who stays in the classroom learns who has left it.
    [Tags]    SAAS-09
    Given The Teacher Opens A Classroom
    And The Student Joins
    When The Student Leaves
    Then The Teacher Learns That The Student Left

Sports Live
    [Documentation]    Sports live: what one camera films, every spectator sees.
    [Tags]    SAAS-84
    Given A Reporter Films A Match
    And 3 Spectators Join
    Then Every Spectator Sees It

Operation Guidance
    [Documentation]    Operation guidance: an expert sees what a worker's camera films,
    ...    and the worker gets the expert's hints at once.
    [Tags]    SAAS-85
    Given A Worker Films The Work
    And An Expert Joins
    Then The Expert Sees The Work
    And A Hint Reaches The Worker At Once

Gaming
    [Documentation]    Gaming: two players hear each other at the same time.
    [Tags]    SAAS-86
    When Two Players Talk
    Then Each Player Hears The Other
