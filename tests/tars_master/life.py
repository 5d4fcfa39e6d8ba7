"""The recorded exchanges about servers that run, as the life of one platform."""

from __future__ import annotations

from tests.tars_master.replay import Call, Live

#: Where the real one's tarsconfig was not there yet, a task says so in its words.
_NO_INFO = ("execute_info",)
#: What changes by itself soon after; and what had changed for reasons that no recording has.
_EARLIER = ("async_thread_num", "enable_group", "patch_version", "process_id", "profile")
_ONCE = ("present_state", "process_id")

#: On a platform that runs, in this order: dictionaries set numbers, names in brackets are calls
#: of `CASES` that prepare, `NAME_poll` tells how the task ends that NAME or ``of`` began.
LIVE = [
    Live({"server": 10, "adapter": 12}),
    Live("deploy_server", prepares=True),
    Live({"server": 13}),
    Live(Call("POST", "deploy_server", {
        "application": "Demo", "server_name": "BadTmpl", "node_name": "127.0.0.1",
        "server_type": "tars_cpp", "template_name": "no.such.template",
        "adapters": [{"obj_name": "EchoObj", "bind_ip": "127.0.0.1", "port": 19104}],
    })),
    Live({"server": 15}),
    Live("deploy_server_bad_type", prepares=True),
    Live("deploy_server_bad_port", prepares=True),
    Live({"server": 18}),
    Live("deploy_server_same_port", prepares=True),
    Live("deploy_server_js", prepares=True),
    Live("deploy_server_two_adapters", prepares=True),
    Live("server_state_new"),
    Live("task_start_no_package"),
    Live("task_start_no_package_poll"),
    Live("upload_patch_package", prepares=True),
    Live("task_publish"),
    Live("task_publish_poll", without=_NO_INFO),
    Live("server_after_publish", without=_ONCE),
    Live("get_realtime_state_active_later"),
    Live("server_state_active_later"),
    Live("send_command_viewversion"),
    Live("send_command_unknown"),
    Live("task_start_running"),
    Live("task_start_running_poll"),
    Live("task_restart"),
    Live("get_realtime_state_active_later", prepares=True),
    Live("task_stop"),
    Live("task_stop_poll", without=_NO_INFO),
    Live("get_realtime_state_stopped"),
    Live("server_state_stopped"),
    Live("send_command_stopped"),
    Live("task_stop_stopped"),
    Live("task_stop_stopped_poll", without=_NO_INFO),
    Live("task_start"),
    Live("task_start_poll"),
    Live("task_stop", prepares=True),
    Live("task_stop_2_poll", of="task_stop", without=_NO_INFO),
    Live("task_start_after_limit"),
    Live("task_start_after_limit_poll"),
    # Packages: the seven publishes that the recorded list counts
    Live("add_task_patch_no_id", prepares=True),
    Live("add_task_patch_no_id_poll", prepares=True),
    Live("add_task_patch_unknown_id", prepares=True),
    Live("add_task_patch_unknown_id_poll", prepares=True),
    Live("task_publish_again", prepares=True),
    Live("task_publish_again_poll", prepares=True),
    Live({"package": 2}),
    Live("upload_patch_package_no_binary", prepares=True, package="hollow"),
    Live("task_publish_no_binary"),
    Live("task_publish_no_binary_poll"),
    Live("server_after_nobinary_publish"),
    Live("task_publish_again"),
    Live("task_publish_again_poll"),
    Live("task_grace_publish"),
    Live("task_grace_publish_poll", without=_NO_INFO),
    Live("task_list", without=_NO_INFO),
    Live("upload_and_publish"),
    # Configuration files
    Live("add_config_file_app", prepares=True),
    Live("add_config_file_server", prepares=True),
    Live("get_realtime_state_active_later", prepares=True),
    Live("push_config_file"),
    Live("send_command_loadconfig"),
    # Flow, and a second node
    Live("update_flowstatus_off", prepares=True),
    Live("server_flow_off", without=_EARLIER),
    Live("update_flowstatus_on", prepares=True),
    Live("expand_server", prepares=True),
    Live("task_publish_expanded"),
    Live("task_publish_expanded_poll"),
    Live("task_restart_two_serial"),
    Live("task_restart_two_parallel"),
    Live("task_restart_two_elegant"),
    Live("task_restart_two_elegant_poll", ends=False),
    # A package of another name
    Live({"package": 5}),
    Live("send_command_not_running"),
    Live("upload_patch_package_js", prepares=True, package="JsEcho"),
    Live(Call("POST", "add_task", {
        "serial": True,
        "items": [{"server_id": "20", "command": "patch_tars", "parameters": {"patch_id": 6}}],
    })),
    Live("task_publish_js_poll", of="add_task", without=_NO_INFO),
    Live("get_realtime_state_js"),
    Live("server_state_js"),
    Live("task_stop_js"),
    Live("task_stop_js_poll"),
    # Ends
    Live("task_undeploy_running"),
    Live("task_undeploy_running_poll"),
    Live("task_undeploy_BadPort"),
    Live("task_undeploy_BadPort_poll", without=_NO_INFO),
    Live("task_undeploy_BadType"),
    Live("task_undeploy_BadType_poll", without=_NO_INFO),
    Live("task_undeploy_PortClash"),
    Live("task_undeploy_PortClash_poll"),
    Live("task_undeploy_BadTmpl"),
    Live("task_undeploy_BadTmpl_poll", without=_NO_INFO),
]  # fmt: skip
