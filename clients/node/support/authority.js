// A certificate authority that only the tests trust, and keys.

import { createPrivateKey, generateKeyPairSync, randomUUID } from "node:crypto";
import forge from "node-forge";

const dayMs = 24 * 3_600_000;

/** A certificate authority that only the test trusts. */
export class Authority {
  #key = newKey();
  #name = [{ name: "commonName", value: "The authority of the tests" }];
  #certificate = this.#signed(this.#name, this.#key, 1, [{ name: "basicConstraints", cA: true, critical: true }]);

  get pem() {
    return forge.pki.certificateToPem(this.#certificate);
  }

  /** The certificate of a key for some hosts, from two days ago until in `days`, as PEM. */
  issue(key, hosts, days = 1) {
    const certificate = this.#signed([{ name: "commonName", value: hosts[0] }], key, days, [
      { name: "subjectAltName", altNames: hosts.map((value) => ({ type: 2, value })) },
      { name: "extKeyUsage", serverAuth: true },
    ]);
    return forge.pki.certificateToPem(certificate);
  }

  #signed(subject, key, days, extensions) {
    const certificate = forge.pki.createCertificate();
    certificate.publicKey = forge.pki.setRsaPublicKey(...publicNumbers(key));
    // A positive number without zeros before it: OpenSSL reads no other.
    certificate.serialNumber = `01${randomUUID().replaceAll("-", "")}`;
    certificate.validity.notBefore = new Date(Date.now() - 2 * dayMs);
    certificate.validity.notAfter = new Date(Date.now() + days * dayMs);
    certificate.setSubject(subject);
    certificate.setIssuer(this.#name);
    certificate.setExtensions(extensions);
    certificate.sign(forge.pki.privateKeyFromPem(this.#key), forge.md.sha256.create());
    return certificate;
  }
}

/** node:crypto makes keys a hundred times as fast as the library of certificates. */
export function newKey() {
  const pem = { type: "pkcs1", format: "pem" };
  return generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: pem,
    publicKeyEncoding: pem,
  }).privateKey;
}

function publicNumbers(key) {
  const { n, e } = createPrivateKey(key).export({ format: "jwk" });
  return [n, e].map((number) => new forge.jsbn.BigInteger(Buffer.from(number, "base64url").toString("hex"), 16));
}
