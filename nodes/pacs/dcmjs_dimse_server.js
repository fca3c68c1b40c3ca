// A small archive on dcmjs-dimse: node dcmjs_dimse_server.js CONFIG.json, in the folder that has its `storage`.
// Each instance is a file, and a line of storage/index.jsonl, which is read once and kept in memory.
'use strict';
const fs = require('fs');
const net = require('net');
const path = require('path');
const dimse = require('dcmjs-dimse');
const { CStoreRequest } = dimse.requests;
const { CEchoResponse, CFindResponse, CStoreResponse, CGetResponse, CMoveResponse } = dimse.responses;
const { PresentationContextResult, RejectReason, RejectResult, RejectSource, SopClass, Status } = dimse.constants;
const { StorageClass, TransferSyntax } = dimse.constants;

const config = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const FILES = path.join('storage', 'instances');
const INDEX = path.join('storage', 'index.jsonl');
const UNIQUE = {
  PATIENT: 'PatientID', STUDY: 'StudyInstanceUID', SERIES: 'SeriesInstanceUID', IMAGE: 'SOPInstanceUID',
};
const COUNTED = {
  NumberOfStudyRelatedInstances: 'STUDY', NumberOfSeriesRelatedInstances: 'SERIES', NumberOfPatientRelatedInstances: 'PATIENT',
};
const INDEXED = [
  ...Object.values(UNIQUE), 'SOPClassUID', 'PatientName', 'PatientBirthDate', 'PatientSex', 'StudyDate', 'StudyTime',
  'StudyDescription', 'StudyID', 'AccessionNumber', 'Modality', 'SeriesDescription', 'SeriesNumber', 'InstanceNumber',
];
const SERVED = new Set([
  SopClass.Verification,
  SopClass.PatientRootQueryRetrieveInformationModelFind, SopClass.StudyRootQueryRetrieveInformationModelFind,
  ...(config.ways.includes('c-get')
    ? [SopClass.PatientRootQueryRetrieveInformationModelGet, SopClass.StudyRootQueryRetrieveInformationModelGet] : []),
  ...(config.ways.includes('c-move')
    ? [SopClass.PatientRootQueryRetrieveInformationModelMove, SopClass.StudyRootQueryRetrieveInformationModelMove] : []),
  ...Object.values(StorageClass),
]);
const instances = new Map();
let associations = 0;

// node leaves Nagle's algorithm on, and the library has no option for it: the sockets of both directions are made here.
if (config.nodelay) {
  const connect = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function (...given) {
    this.setNoDelay(true);
    return connect.apply(this, given);
  };
}

function text(value) {
  const one = Array.isArray(value) && value.length === 1 ? value[0] : value;
  if (one === undefined || one === null) return '';
  if (Array.isArray(one)) return one.map(text).join('\\');
  return typeof one === 'object' ? String(one.Alphabetic ?? '') : String(one);
}

function matches(wanted, found, key) {
  if (wanted === '' || wanted === '*') return true;
  if (wanted.includes('\\')) return wanted.split('\\').includes(found);
  if (/(Date|Time)$/.test(key) && /^[\d.]*-[\d.]*$/.test(wanted)) {
    const [from, to] = wanted.split('-');
    return found !== '' && found >= from && (to === '' || found.slice(0, to.length) <= to);
  }
  if (!/[*?]/.test(wanted)) return wanted === found;
  const escaped = wanted.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.');
  return new RegExp(`^${escaped}$`).test(found);
}

function found(query) {
  const keys = Object.entries(query).filter(([key]) => INDEXED.includes(key));
  return [...instances.values()].filter((row) => keys.every(([key, wanted]) => matches(text(wanted), row[key], key)));
}

function answers(query) {
  const unique = UNIQUE[text(query.QueryRetrieveLevel)];
  const rows = new Map();
  for (const row of unique ? found(query) : []) if (!rows.has(row[unique])) rows.set(row[unique], row);
  return [...rows.values()].map((row) => {
    const answer = { QueryRetrieveLevel: text(query.QueryRetrieveLevel), RetrieveAETitle: config.aet };
    for (const key of Object.keys(query)) {
      if (INDEXED.includes(key)) answer[key] = row[key];
      else if (key in COUNTED) {
        const level = UNIQUE[COUNTED[key]];
        answer[key] = String([...instances.values()].filter((other) => other[level] === row[level]).length);
      }
    }
    return answer;
  });
}

// One C-STORE after another; `finish` is told how many were taken and how many not.
function storeAll(rows, send, finish) {
  let completed = 0;
  let failed = 0;
  const requests = rows.map((row) => {
    const request = new CStoreRequest(path.join(FILES, row.SOPInstanceUID));
    request.on('response', (response) => (response.getStatus() === Status.Success ? (completed += 1) : (failed += 1)));
    return request;
  });
  send(requests, () => finish(completed, rows.length - completed));
}

function concluded(Kind, request, completed, failed) {
  const response = Kind.fromRequest(request);
  response.setStatus(failed ? Status.ProcessingFailure : Status.Success);
  response.setRemaining(0);
  response.setCompleted(completed);
  response.setFailures(failed);
  response.setWarnings(0);
  return [response];
}

class Archive extends dimse.Scp {
  constructor(socket, options) {
    super(socket, options);
    socket.setNoDelay(config.nodelay);
    this.held = false;
    socket.on('close', () => { if (this.held) associations -= 1; });
  }

  associationRequested(association) {
    const refuse = (result, source, reason) => this.sendAssociationReject(result, source, reason);
    if (config.check_called && association.getCalledAeTitle() !== config.aet) {
      return refuse(RejectResult.Permanent, RejectSource.ServiceUser, RejectReason.CalledAeNotRecognized);
    }
    if (config.check_calling && association.getCallingAeTitle() !== 'WORKER') {
      return refuse(RejectResult.Permanent, RejectSource.ServiceUser, RejectReason.CallingAeNotRecognized);
    }
    if (associations >= config.associations) {
      const source = RejectSource.ServiceProviderPresentation;
      return refuse(RejectResult.Transient, source, RejectReason.LocalLimitExceeded);
    }
    associations += 1;
    this.held = true;
    this.association = association;
    for (const { id } of association.getPresentationContexts()) {
      const context = association.getPresentationContext(id);
      const offered = context.getTransferSyntaxUids();
      const syntax = offered.find((one) => one === TransferSyntax.ExplicitVRLittleEndian)
        ?? offered.find((one) => one === TransferSyntax.ImplicitVRLittleEndian) ?? offered[0];
      if (SERVED.has(context.getAbstractSyntaxUid())) context.setResult(PresentationContextResult.Accept, syntax);
      else context.setResult(PresentationContextResult.RejectAbstractSyntaxNotSupported);
    }
    this.sendAssociationAccept();
  }

  abort() {
    this.socket.end();
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }

  cEchoRequest(request, callback) {
    const response = CEchoResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  cFindRequest(request, callback) {
    const responses = answers(request.getDataset().getElements()).map((answer) => {
      const response = CFindResponse.fromRequest(request);
      response.setDataset(new dimse.Dataset(answer, TransferSyntax.ImplicitVRLittleEndian));
      response.setStatus(Status.Pending);
      return response;
    });
    const last = CFindResponse.fromRequest(request);
    last.setStatus(Status.Success);
    callback([...responses, last]);
  }

  cStoreRequest(request, callback) {
    const response = CStoreResponse.fromRequest(request);
    const elements = request.getDataset().getElements();
    const row = Object.fromEntries(INDEXED.map((key) => [key, text(elements[key])]));
    if (!/^[0-9][0-9.]{0,63}$/.test(row.SOPInstanceUID)) { // it becomes a file's name
      response.setStatus(Status.ProcessingFailure);
      callback(response);
      return;
    }
    request.getDataset().toFile(path.join(FILES, row.SOPInstanceUID), (error) => {
      if (!error) {
        fs.appendFileSync(INDEX, `${JSON.stringify(row)}\n`);
        instances.set(row.SOPInstanceUID, row);
      }
      response.setStatus(error ? Status.ProcessingFailure : Status.Success);
      callback(response);
    });
  }

  cGetRequest(request, callback) {
    const send = (requests, done) => {
      if (!requests.length) return done();
      requests[requests.length - 1].on('done', done);
      this.sendRequests(requests);
    };
    const rows = found(request.getDataset().getElements());
    storeAll(rows, send, (completed, failed) => callback(concluded(CGetResponse, request, completed, failed)));
  }

  cMoveRequest(request, callback) {
    if (!config.destination || text(request.getCommandDataset().getElements().MoveDestination).trim() !== 'WORKER') {
      const response = CMoveResponse.fromRequest(request);
      response.setStatus(Status.MoveDestinationUnknown);
      return callback([response]);
    }
    const send = (requests, done) => {
      if (!requests.length) return done();
      const client = new dimse.Client();
      let told = false;
      const once = () => { if (!told) { told = true; done(); } };
      for (const event of ['closed', 'networkError', 'associationRejected']) client.on(event, once);
      requests.forEach((one) => client.addRequest(one));
      client.send(config.destination, 11112, config.aet, 'WORKER');
    };
    const rows = found(request.getDataset().getElements());
    storeAll(rows, send, (completed, failed) => callback(concluded(CMoveResponse, request, completed, failed)));
  }
}

fs.mkdirSync(FILES, { recursive: true });
if (fs.existsSync(INDEX)) {
  for (const line of fs.readFileSync(INDEX, 'utf8').split('\n').filter(Boolean)) {
    const row = JSON.parse(line);
    instances.set(row.SOPInstanceUID, row);
  }
}
dimse.log.setLevel('error');
dimse.Implementation.setMaxPduLength(config.pdu_bytes);
const server = new dimse.Server(Archive);
server.on('networkError', (error) => console.error(`network: ${error.message}`));
server.listen(config.port);
