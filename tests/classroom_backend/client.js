// A classroom's life as an application server drives it, with OpenVidu's own client.
// Arguments: the client's package, the server's URL, its secret, a session id. Prints what came
// of each step as one JSON line; after the tokens it waits for a line on standard input.
'use strict';

console.log = () => {}; // the client talks on standard output
const readline = require('readline');
const [, , name, url, secret, sessionId] = process.argv;
const { OpenVidu, OpenViduRole } = require(name);

const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function step(title, work) {
  let line;
  try {
    line = { step: title, result: await work() };
  } catch (error) {
    line = { step: title, error: error.message };
  }
  process.stdout.write(JSON.stringify(line) + '\n');
  return line.result;
}

async function main() {
  const stranger = new OpenVidu(url, 'not-the-secret');
  await step('wrong secret', () => stranger.createSession());

  const openvidu = new OpenVidu(url, secret);
  const options = { customSessionId: sessionId };
  const session = await openvidu.createSession(options);
  await step('create', () => session.getSessionId());
  await step('create again', async () => (await openvidu.createSession(options)).getSessionId());
  await step('bad id', () => openvidu.createSession({ customSessionId: 'bad id!' }));
  await step('teacher', () => session.generateToken({ role: OpenViduRole.PUBLISHER, data: 'Ms A' }));
  await step('student', () => session.generateToken({
    role: OpenViduRole.SUBSCRIBER,
    kurentoOptions: { videoMaxRecvBandwidth: 500, allowedFilters: ['ZBarFilter'] },
  }));
  await step('bad role', () => session.generateToken({ role: 'TEACHER' }));
  await step('ready', () => undefined);
  await input.next();

  await step('fetch', () => session.fetch());
  await step('fetch again', () => session.fetch());
  await step('connections', () => session.activeConnections.map((connection) => ({
    id: connection.connectionId,
    role: connection.role,
    serverData: connection.serverData,
    publishers: connection.publishers.map((publisher) => publisher.streamId),
    subscribers: connection.subscribers,
  })));
  await step('fetch all', () => openvidu.fetch());
  await step('statistics', async () => {
    const found = await openvidu.fetchWebRtc();
    const fetched = openvidu.activeSessions.find((one) => one.sessionId === sessionId);
    const publishing = fetched.activeConnections.find((connection) => connection.publishers.length);
    const { kms } = publishing.publishers[0].webRtc;
    return [found.sessionChanges[sessionId], kms.webrtcEndpointName, kms.localSdp.slice(0, 4)];
  });
  await step('start recording', () => openvidu.startRecording(sessionId));
  await step('recordings', () => openvidu.listRecordings());
  const teacher = session.activeConnections.find((connection) => connection.publishers.length);
  await step('unpublish', () => session.forceUnpublish(teacher.publishers[0]));
  await step('unpublish again', () => session.forceUnpublish('str_CAM_none_con_none'));
  await step('disconnect', () => session.forceDisconnect(teacher));
  await step('disconnect again', () => session.forceDisconnect('con_none'));
  await step('close', () => session.close());
  await step('close again', () => session.close());
  await step('token after close', () => session.generateToken());
  process.exit(0);
}

main();
