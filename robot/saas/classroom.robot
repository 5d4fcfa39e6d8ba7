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
