// A recording as an application server makes it, with OpenVidu's own client.
// Arguments: the client's package, the server's URL, its secret, a session that somebody is in.
// Prints what it found, as one JSON line.
'use strict';

console.log = console.warn = () => {}; // the client talks
const [, , name, url, secret, sessionId] = process.argv;
const { OpenVidu, Recording } = require(name);

// What is not said is false to this client, and the server refuses to record nothing.
const options = {
  name: 'by-node', outputMode: Recording.OutputMode.INDIVIDUAL, hasAudio: true, hasVideo: true,
};
const refusal = (error) => error.message;

async function main() {
  const openvidu = new OpenVidu(url, secret);
  const nothing = await openvidu.startRecording(sessionId, { name: 'nothing' }).catch(refusal);
  const started = await openvidu.startRecording(sessionId, options);
  const again = await openvidu.startRecording(sessionId).catch(refusal);
  const early = await openvidu.deleteRecording(started.id).catch(refusal);
  const read = await openvidu.getRecording(started.id);
  const stopped = await openvidu.stopRecording(started.id);
  const listed = (await openvidu.listRecordings()).map((recording) => recording.id);
  await openvidu.deleteRecording(started.id);
  const gone = await openvidu.getRecording(started.id).catch(refusal);
  const found = { nothing, started, again, early, read, stopped, listed, gone };
  process.stdout.write(JSON.stringify(found) + '\n');
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
