-- Asks modgud about each request. For HAProxy 2.6 or later, which has no request to an authorization service of its own.
--
-- The configuration that `modgud proxy` writes loads this file, and calls it with `http-request lua.modgud ADDRESS TIMEOUT`. The address is
-- that of its section `listen modgud`, which has modgud's own, and the timeouts. The next line there denies each
-- request for which `txn.modgud_allowed` is not true. So an error in this file, or one of HAProxy, denies.

-- Most header lines of a client. HAProxy has room for 101 (`tune.http.maxhdr`), and 2.6 crashes when its HTTP client sends more.
local MAX_HEADERS = 90

-- Headers of one connection or one message (RFC 9110 §7.6.1, §8.6). The check has its own.
local OF_THE_MESSAGE = {
    ["connection"] = true,
    ["content-length"] = true,
    ["expect"] = true,
    ["host"] = true,
    ["keep-alive"] = true,
    ["proxy-connection"] = true,
    ["te"] = true,
    ["trailer"] = true,
    ["transfer-encoding"] = true,
    ["upgrade"] = true,
}

-- Returns the values of a header, from 1 on. HAProxy counts them from 0.
local function values(list)
    local found = {}
    for number = 0, #list do
        found[#found + 1] = list[number]
    end
    return found
end

-- Returns the only value of a header; nil if there is none, or more than one.
local function only(list)
    local found = list and values(list) or {}
    if #found == 1 then
        return found[1]
    end
end

-- Asks modgud: who is the caller, and may they?
local function ask(txn, address, timeout)
    local headers = txn.http:req_get_headers()
    local check = {}
    local count = 0
    for name, list in pairs(headers) do
        if not OF_THE_MESSAGE[name] then
            check[name] = values(list)
            count = count + #check[name]
        end
    end
    if count > MAX_HEADERS then
        return nil, "too many headers"
    end
    -- These replace what a client sent under the same names.
    check["x-original-method"] = { txn.f:method() }
    check["x-original-uri"] = { txn.f:pathq() }
    check["x-original-host"] = { only(headers["host"]) }
    return core.httpclient():get({
        url = "http://modgud/",
        headers = check,
        dst = address,
        timeout = tonumber(timeout),
    })
end

-- Writes modgud's headers into the request; those without a value are removed. Returns false if the answer names none, or if HAProxy has no
-- room for them, which it does not report.
local function write_headers(txn, headers)
    local names = only(headers["x-modgud-headers"])
    if not names then
        return false
    end
    local wanted = {}
    for name in names:gmatch("[^, ]+") do
        local value = only(headers[name])
        txn.http:req_del_header(name)
        if value and value ~= "" then
            txn.http:req_set_header(name, value)
            wanted[name] = value
        else
            wanted[name] = false
        end
    end
    local written = txn.http:req_get_headers()
    for name, value in pairs(wanted) do
        if value and only(written[name]) ~= value or not value and written[name] then
            txn:Warning("modgud: no room for the header " .. name)
            return false
        end
    end
    return true
end

-- Sends a denial to the client.
local function deny(txn, answer)
    local reply = txn:reply({ status = answer.status, body = answer.body })
    for name, list in pairs(answer.headers) do
        if not OF_THE_MESSAGE[name] then
            for _, value in ipairs(values(list)) do
                reply:add_header(name, value)
            end
        end
    end
    txn:done(reply)
end

core.register_action("modgud", { "http-req" }, function(txn, address, timeout)
    txn:set_var("txn.modgud_allowed", false)
    local is_asked, answer, cause = pcall(ask, txn, address, timeout)
    if not is_asked or type(answer) ~= "table" or type(answer.headers) ~= "table" then
        txn:Warning("modgud: no answer: " .. tostring(cause or answer))
    elseif answer.status == 200 then
        txn:set_var("txn.modgud_allowed", write_headers(txn, answer.headers))
    elseif answer.status and answer.status >= 300 and answer.status <= 599 then
        deny(txn, answer)
    end
end, 2)
