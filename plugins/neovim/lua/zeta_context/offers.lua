-- The prediction on offer: asked for, shown, applied, turned down. One at a time.
local display = require("zeta_context.display")
local peers = require("zeta_context.peers")
local M = {}

local STALE_MS = 150
local MODES = { n = true, i = true, niI = true, ic = true, ix = true }

local offer = nil ---@type table?
local asked = 0
local reason = ""
local shown_id = nil

local function position(buffer, place, encoding)
  local line = vim.api.nvim_buf_get_lines(buffer, place.line, place.line + 1, false)[1] or ""
  local column = place.character
  if encoding ~= "utf-8" then
    column = vim.str_byteindex(line, encoding, column, false)
  end
  return place.line, math.min(column, #line)
end

local function cursor_position(buffer, encoding)
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local line = vim.api.nvim_buf_get_lines(buffer, row - 1, row, false)[1] or ""
  column = math.min(column, #line)
  if encoding ~= "utf-8" then
    column = vim.str_utfindex(line, encoding, column, false)
  end
  return { line = row - 1, character = column }
end

-- The offer that can be accepted now: not while a menu is open, and not one for an older text.
function M.current()
  if not offer or offer.is_stale or vim.fn.pumvisible() == 1 then
    return nil
  end
  if not vim.api.nvim_buf_is_loaded(offer.buffer) then
    return nil
  end
  return offer.peer.version(offer.buffer) == offer.version and offer or nil
end

function M.clear()
  offer = nil
  display.clear()
end

-- Draw the offer as things are now.
function M.show()
  local current = M.current()
  if not current or not MODES[vim.api.nvim_get_mode().mode] then
    display.clear()
    return
  end
  if current.jump then
    display.draw_jump(current.jump)
    return
  end
  local prediction = current.prediction
  display.draw(current.buffer, prediction, function(place)
    return position(current.buffer, place, current.peer.encoding())
  end)
  if shown_id ~= prediction.id then
    shown_id = prediction.id
    current.peer.notify(current.buffer, "zeta/didShow", { id = prediction.id })
  end
end

local function take_answer(buffer, peer, answer)
  local prediction = answer and answer ~= vim.NIL and answer.prediction
  if not prediction or prediction == vim.NIL then
    reason = answer and answer ~= vim.NIL and answer.reason or ""
    M.clear()
    if type(answer) == "table" and type(answer.jump) == "table" then
      local version = peer.version(buffer)
      offer = { buffer = buffer, peer = peer, jump = answer.jump, version = version }
      M.show()
    end
    return
  end
  reason = ""
  local target = buffer
  if prediction.textDocument.uri ~= peer.uri(buffer) then
    target = vim.uri_to_bufnr(prediction.textDocument.uri)
  end
  local version = prediction.textDocument.version
  offer = { buffer = target, peer = peer, prediction = prediction, version = version }
  M.show()
end

-- What the user is in the middle of, in the protocol's words.
local function busy()
  local found = {}
  if vim.fn.pumvisible() == 1 then
    table.insert(found, "menu")
  end
  if vim.fn.mode():find("^[vVsS\22\19]") then
    table.insert(found, "selection")
  end
  if vim.snippet and vim.snippet.active() then
    table.insert(found, "snippet")
  end
  return found
end

-- Ask for a prediction at the cursor; only the newest question is answered.
function M.ask(buffer, trigger)
  local api = require("zeta_context")
  if api.is_disabled or vim.api.nvim_get_current_buf() ~= buffer then
    return
  end
  local peer = peers.of(buffer)
  asked = asked + 1
  local number = asked
  peer.request(buffer, "zeta/predict", {
    textDocument = { uri = peer.uri(buffer) },
    position = cursor_position(buffer, peer.encoding()),
    trigger = trigger,
    busy = busy(),
  }, function(_, answer)
    if number == asked and vim.api.nvim_get_current_buf() == buffer then
      take_answer(buffer, peer, answer)
    end
  end)
end

-- The menu was closed: show what was predicted, or ask now.
function M.resume(buffer)
  if M.current() then
    M.show()
  elseif vim.fn.pumvisible() == 0 then
    M.ask(buffer, "other")
  end
end

-- The text changed: what is on the screen stays for the moment until the answer comes.
function M.age()
  if not offer or offer.is_stale then
    return
  end
  local aged = offer
  aged.is_stale = true
  display.follow_typing()
  vim.defer_fn(function()
    if offer == aged then
      M.clear()
    end
  end, STALE_MS)
end

local function is_here(current)
  return current.buffer == vim.api.nvim_get_current_buf()
    and current.prediction.jump.line == vim.api.nvim_win_get_cursor(0)[1] - 1
end

local function jump(current)
  vim.cmd("normal! m'")
  if current.buffer ~= vim.api.nvim_get_current_buf() then
    vim.cmd.buffer(current.buffer)
  end
  local row, column = position(current.buffer, current.prediction.jump, current.peer.encoding())
  vim.api.nvim_win_set_cursor(0, { row + 1, column })
  vim.cmd("normal! zv")
  offer = current
  M.show()
end

-- Open the file in which an edit waits; it is asked about there as in any other.
local function open_file(current)
  local place = current.jump.position
  local location = { uri = current.jump.uri, range = { start = place, ["end"] = place } }
  M.clear()
  vim.lsp.util.show_document(location, current.peer.encoding(), { focus = true })
end

-- Typing before and after belongs to other undo steps.
local function break_undo()
  vim.cmd("let &l:undolevels = &l:undolevels")
end

local function split(text)
  return vim.split((text:gsub("\r\n", "\n")), "\n", { plain = true })
end

-- Make the edits, which are all against the text as it is; gives where the last one ends.
local function apply(current, edits)
  local buffer, encoding = current.buffer, current.peer.encoding()
  local mark = nil
  local space = display.namespace
  break_undo()
  current.peer.together(buffer, function()
    for index = #edits, 1, -1 do
      local edit = edits[index]
      local row, column = position(buffer, edit.range.start, encoding)
      local end_row, end_column = position(buffer, edit.range["end"], encoding)
      local lines = split(edit.newText)
      local count = vim.api.nvim_buf_line_count(buffer)
      if end_row >= count then
        -- The agent's text ends with a line ending, behind which Neovim has no line.
        end_row = count - 1
        end_column = #vim.api.nvim_buf_get_lines(buffer, end_row, end_row + 1, true)[1]
        if row >= count then
          row, column = end_row, end_column
          table.insert(lines, 1, "")
        end
        if #lines > 1 and lines[#lines] == "" then
          table.remove(lines)
        end
      end
      vim.api.nvim_buf_set_text(buffer, row, column, end_row, end_column, lines)
      if not mark then
        local stop = #lines > 1 and #lines[#lines] or column + #lines[1]
        local where = { row + #lines - 1, stop }
        mark = vim.api.nvim_buf_set_extmark(buffer, space, where[1], where[2], {})
      end
    end
  end)
  local stop = vim.api.nvim_buf_get_extmark_by_id(buffer, space, mark, {})
  vim.api.nvim_buf_del_extmark(buffer, space, mark)
  return stop
end

-- Go to the offer, or take it (or its next `part`) where the cursor is in its line.
function M.accept(part)
  local current = M.current()
  if not current then
    return false
  end
  if current.jump then
    open_file(current)
    return true
  end
  local prediction = current.prediction
  if not is_here(current) then
    jump(current)
    return true
  end
  M.clear()
  local stop = apply(current, part and prediction.parts[part] or prediction.edits)
  if not part then
    stop = { position(current.buffer, prediction.cursor, current.peer.encoding()) }
  end
  local line = vim.api.nvim_buf_get_lines(current.buffer, stop[1], stop[1] + 1, false)[1] or ""
  vim.api.nvim_win_set_cursor(0, { stop[1] + 1, math.min(stop[2], #line) })
  break_undo()
  local told = { id = prediction.id, partial = part ~= nil or nil }
  current.peer.notify(current.buffer, "zeta/didAccept", told)
  M.ask(current.buffer, part and "prediction_partially_accepted" or "prediction_accepted")
  return true
end

-- Turn the offer down.
function M.reject()
  local current = M.current()
  if not current then
    return false
  end
  M.clear()
  local told = { id = (current.jump or current.prediction).id, reason = "rejected" }
  current.peer.notify(current.buffer, "zeta/didReject", told)
  reason = "rejected"
  return true
end

-- The state at the cursor, from which a scenario can be written.
function M.ask_state(callback)
  local buffer = vim.api.nvim_get_current_buf()
  local peer = peers.of(buffer)
  peer.request(buffer, "zeta/state", {
    textDocument = { uri = peer.uri(buffer) },
    position = cursor_position(buffer, peer.encoding()),
  }, function(_, state)
    if type(state) == "table" then
      callback(state)
    end
  end)
end

function M.describe()
  local current = M.current()
  if current and current.jump then
    return "zeta: " .. current.jump.why
  elseif current then
    local count = #current.prediction.edits
    return ("zeta: %d edit%s"):format(count, count == 1 and "" or "s")
  end
  return reason ~= "" and "zeta: " .. reason or "zeta"
end

-- For :ZetaStatus.
function M.prediction()
  local current = M.current()
  return current and current.prediction
end

return M
