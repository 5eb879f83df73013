-- lua.client_cert_chain: what the client sent after its own certificate, as RFC 9440 section 2.3 wants it, a list of
-- byte sequences; empty when there is nothing. HAProxy gives the chain as the DER of all certificates, end to end.

-- next_element returns where the DER element that starts at a position ends, or nil when it is not whole.
local function next_element(der, from)
    local length = der:byte(from + 1)
    if length == nil then return nil end
    local head = 2
    if length >= 0x80 then
        local count = length - 0x80
        if count < 1 or count > 3 or from + 1 + count > #der then return nil end
        length = 0
        for i = 1, count do length = length * 256 + der:byte(from + 1 + i) end
        head = 2 + count
    end
    local last = from + head + length - 1
    if last > #der then return nil end
    return last
end

core.register_fetches("client_cert_chain", function(txn)
    local der = txn.sf:ssl_c_chain_der()
    if der == nil then return "" end
    local leaf = txn.sf:ssl_c_der()
    local members, from = {}, 1
    while from <= #der do
        local last = next_element(der, from)
        if last == nil then return ":malformed" end -- Signet refuses the request
        local cert = der:sub(from, last)
        if cert ~= leaf then -- Client-Cert has it; whether it is here, too, depends on the TLS library
            members[#members + 1] = ":" .. txn.c:base64(cert) .. ":"
        end
        from = last + 1
    end
    return table.concat(members, ", ")
end)
