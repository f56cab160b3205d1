-- Tells the agent of every keystroke in a buffer, by `on_bytes`.
--
-- The new text is read when Neovim reports a change. An undo of several changes reports them when
-- all are made already, and a substitution before it is made, so what is read may be from later or
-- from before: then the sizes do not add up, and the whole text is told instead.
--
-- Versions are counted here, since the tick that a change comes with may be from before it.
local agent = require("zeta_context.agent")
local M = {}

local buffers = {}

function M.uri(buffer)
  local name = vim.api.nvim_buf_get_name(buffer)
  return name == "" and ("untitled:buffer-%d"):format(buffer) or vim.uri_from_fname(name)
end

local function line_ending(buffer)
  return vim.bo[buffer].fileformat == "dos" and "\r\n" or "\n"
end

local function has_last_ending(buffer)
  local options = vim.bo[buffer]
  return options.endofline or (options.fixendofline and not options.binary)
end

local function whole_text(buffer)
  local ending = line_ending(buffer)
  local lines = vim.api.nvim_buf_get_lines(buffer, 0, -1, true)
  return table.concat(lines, ending) .. (has_last_ending(buffer) and ending or "")
end

local function size(buffer)
  return vim.api.nvim_buf_get_offset(buffer, vim.api.nvim_buf_line_count(buffer))
end

local function send(state, changes)
  state.version = state.version + 1
  agent.notify("textDocument/didChange", {
    textDocument = { uri = state.uri, version = state.version },
    contentChanges = changes,
  })
end

-- Send what is not sent yet: all that is asked of the agent is about the text as it stands.
function M.flush(buffer)
  local state = buffers[buffer]
  if not state or not state.is_open then
    return
  end
  if state.is_out_of_step then
    state.is_out_of_step, state.batch = false, nil
    state.size = size(buffer)
    send(state, { { text = whole_text(buffer) } })
  end
end

-- The line endings are others now: tell the whole text at the next occasion.
function M.retell(buffer)
  if buffers[buffer] then
    buffers[buffer].is_out_of_step = true
  end
end

local function read(buffer, row, column, end_row, end_column)
  local count = vim.api.nvim_buf_line_count(buffer)
  local rest = end_row >= count
  if rest and row >= count then
    return ""
  end
  if rest then
    end_row, end_column = count - 1, -1
  end
  local lines = vim.api.nvim_buf_get_text(buffer, row, column, end_row, end_column, {})
  if rest then
    table.insert(lines, "")
  end
  return table.concat(lines, line_ending(buffer))
end

local function take_change(state, buffer, row, column, old, new)
  state.size = state.size - old.bytes + new.bytes
  if state.size ~= size(buffer) or not has_last_ending(buffer) then
    state.is_out_of_step = true
  end
  if state.is_out_of_step then
    return
  end
  local function at(to)
    return { line = row + to.rows, character = to.columns + (to.rows == 0 and column or 0) }
  end
  local stop = at(new)
  local ok, text = pcall(read, buffer, row, column, stop.line, stop.character)
  if not ok then
    state.is_out_of_step = true
    return
  end
  local range = { start = { line = row, character = column }, ["end"] = at(old) }
  local change = { range = range, text = text }
  if state.batch then
    table.insert(state.batch, change)
  else
    send(state, { change })
  end
end

-- What `work` changes in a buffer is told as one change.
function M.together(buffer, work)
  local state = buffers[buffer]
  if not state or not state.is_open then
    return work()
  end
  M.flush(buffer)
  state.batch = {}
  work()
  local batch = state.batch
  state.batch = nil
  if batch and #batch > 0 and not state.is_out_of_step then
    send(state, batch)
  end
end

-- Watch a buffer; `on_change(buffer)` is called after each change, on the main loop.
function M.attach(buffer, on_change)
  if buffers[buffer] then
    return
  end
  local state = { uri = M.uri(buffer), version = 0, size = 0, is_open = false }
  buffers[buffer] = state
  M.open(buffer)
  vim.api.nvim_buf_attach(buffer, false, {
    on_bytes = function(_, _, _, row, column, _, old_rows, old_columns, old_bytes, ...)
      local new_rows, new_columns, new_bytes = ...
      if buffers[buffer] ~= state then
        return true
      end
      if state.is_open then
        local old = { rows = old_rows, columns = old_columns, bytes = old_bytes }
        local new = { rows = new_rows, columns = new_columns, bytes = new_bytes }
        take_change(state, buffer, row, column, old, new)
      end
      on_change(buffer)
    end,
    on_reload = function()
      if buffers[buffer] ~= state then
        return true
      end
      state.is_out_of_step = true
      on_change(buffer)
    end,
    on_detach = function()
      if buffers[buffer] == state then
        M.detach(buffer)
      end
    end,
  })
end

function M.open(buffer)
  local state = buffers[buffer]
  if not state or state.is_open or not agent.is_ready() then
    return
  end
  state.is_open, state.is_out_of_step = true, false
  state.version = state.version + 1
  state.size = size(buffer)
  agent.notify("textDocument/didOpen", {
    textDocument = {
      uri = state.uri,
      languageId = vim.bo[buffer].filetype,
      version = state.version,
      text = whole_text(buffer),
    },
  })
end

-- A new agent knows of no buffer.
function M.open_all()
  for buffer, state in pairs(buffers) do
    state.is_open = false
    if vim.api.nvim_buf_is_loaded(buffer) then
      M.open(buffer)
    end
  end
end

function M.detach(buffer)
  local state = buffers[buffer]
  if state then
    buffers[buffer] = nil
    agent.notify("textDocument/didClose", { textDocument = { uri = state.uri } })
  end
end

-- It was saved, perhaps under a new name.
function M.save(buffer)
  local state = buffers[buffer]
  if not state then
    return
  end
  local uri = M.uri(buffer)
  if uri ~= state.uri then
    agent.notify("textDocument/didClose", { textDocument = { uri = state.uri } })
    state.uri, state.is_open = uri, false
    M.open(buffer)
  end
  agent.notify("textDocument/didSave", { textDocument = { uri = uri } })
end

-- The version that was told last; nil while that is not the text as it is.
function M.version(buffer)
  local state = buffers[buffer]
  return state and not state.is_out_of_step and not state.batch and state.version or nil
end

function M.is_attached(buffer)
  return buffers[buffer] ~= nil
end

return M
