// The client's certificate as RFC 9440 section 2.2 wants it: the base64 of the DER between colons. nginx has it in PEM,
// which is that base64 in lines. Empty without a certificate, so that the field is left out.
function field(r) {
    var pem = r.variables.ssl_client_raw_cert;
    if (!pem) {
        return '';
    }
    return ':' + pem.replace(/-----(BEGIN|END) CERTIFICATE-----/g, '').replace(/\s/g, '') + ':';
}

export default { field };
