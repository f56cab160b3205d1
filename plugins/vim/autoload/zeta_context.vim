" Shows what the library predicts: text properties after the lines, which move nothing.
let s:watched = {}
let s:offer = {}
let s:timer = -1

highlight default link ZetaGhost Comment
highlight default link ZetaRemoved DiffDelete
call prop_type_add('zeta_ghost', {'highlight': 'ZetaGhost', 'override': v:true})
call prop_type_add('zeta_removed', {'highlight': 'ZetaRemoved', 'override': v:true})

python3 import zeta_vim

function! zeta_context#watch() abort
  let l:buffer = bufnr()
  if has_key(s:watched, l:buffer) || &buftype !=# '' || expand('%') ==# ''
        \ || wordcount().bytes > get(g:, 'zeta_context_max_bytes', 2097152)
    return
  endif
  if !py3eval('zeta_vim.open_buffer(' .. l:buffer .. ')')
    return
  endif
  let s:watched[l:buffer] = listener_add(function('s:changed'), l:buffer)
  augroup zeta_context_buffer
    execute 'autocmd! * <buffer>'
    autocmd CursorMoved,CursorMovedI <buffer> call s:moved()
    autocmd TextChanged,TextChangedI,TextChangedP <buffer> call s:flush()
    autocmd CompleteChanged,CompleteDone <buffer> call timer_start(0, {-> s:show()})
    autocmd BufLeave <buffer> call s:clear()
    autocmd BufWritePost <buffer> call py3eval('zeta_vim.save_buffer(' .. bufnr() .. ')')
    autocmd BufUnload <buffer> call s:unwatch(str2nr(expand('<abuf>')))
  augroup END
  autocmd zeta_context VimLeavePre * python3 zeta_vim.stop()
endfunction

function! s:unwatch(buffer) abort
  if has_key(s:watched, a:buffer)
    call listener_remove(remove(s:watched, a:buffer))
    call py3eval('zeta_vim.close_buffer(' .. a:buffer .. ')')
  endif
endfunction

function! s:flush() abort
  call listener_flush()
endfunction

" Rows from `start` to before `end` became as many more as `added`.
function! s:changed(buffer, start, end, added, changes) abort
  call s:clear()
  let l:lines = getbufline(a:buffer, a:start, a:end + a:added - 1)
  if a:start == 1 && empty(l:lines) && line('$') == 1
    let l:lines = ['']
  endif
  call py3eval('zeta_vim.change_buffer(' .. a:buffer .. ', ' .. a:start .. ', ' .. a:end
        \ .. ', ' .. json_encode(l:lines) .. ')')
  call s:ask('buffer_edit')
endfunction

function! s:moved() abort
  if empty(s:offer)
    call s:ask('other')
  else
    call s:show()
  endif
endfunction

" What the user is in the middle of, in the library's words.
function! s:busy() abort
  return mode() =~# "^[vVsS\<C-v>\<C-s>]" ? 'selection' : ''
endfunction

function! s:ask(trigger) abort
  call py3eval(printf('zeta_vim.ask(%d, %d, %d, "%s", "%s")',
        \ bufnr(), line('.') - 1, charcol('.') - 1, a:trigger, s:busy()))
  if s:timer == -1
    let s:timer = timer_start(15, function('s:poll'), {'repeat': -1})
  endif
endfunction

" Python's threads may not call Vim: it is asked for answers while there are some to come.
function! s:poll(timer) abort
  let l:answer = py3eval('zeta_vim.take_answer()')
  if type(l:answer) == v:t_dict
    let s:offer = l:answer
    call s:show()
  endif
  if !py3eval('zeta_vim.is_waiting()')
    call timer_stop(a:timer)
    let s:timer = -1
  endif
endfunction

function! zeta_context#has_prediction() abort
  return !empty(s:offer) && !pumvisible() && s:offer.buffer == bufnr()
        \ && s:offer.tick == py3eval('zeta_vim.tick(' .. bufnr() .. ')')
endfunction

function! s:clear() abort
  call prop_remove({'type': 'zeta_ghost', 'all': v:true})
  call prop_remove({'type': 'zeta_removed', 'all': v:true})
  let s:offer = {}
endfunction

function! s:show() abort
  let l:offer = s:offer
  call s:clear()
  let s:offer = l:offer
  if !zeta_context#has_prediction() || mode() !~# '^[ni]'
    return
  endif
  for l:one in s:offer.removed
    call prop_add(l:one[0], l:one[1], {'type': 'zeta_removed', 'length': l:one[2]})
  endfor
  for l:one in s:offer.shown
    call prop_add(l:one[0], 0, {'type': 'zeta_ghost', 'text': l:one[1], 'text_align': 'after'})
  endfor
  if has_key(s:offer, 'file')
    call prop_add(line('.'), 0, {'type': 'zeta_ghost', 'text': '  → ' .. s:offer.why, 'text_align': 'after'})
  elseif s:offer.row + 1 < line('w0') || s:offer.row + 1 > line('w$')
    let l:told = (s:offer.row + 1 < line('.') ? ' ↑' : ' ↓') .. ' line ' .. (s:offer.row + 1)
    call prop_add(line('.'), 0, {'type': 'zeta_ghost', 'text': l:told, 'text_align': 'after'})
  endif
  if !has_key(s:offer, 'file')
    call py3eval('zeta_vim.tell_shown()')
  endif
  if mode() =~# '^i' || mode() ==# 'n'
    redraw
  endif
endfunction

" Go to the prediction, or take it (or its next word or line) where the cursor is in its line.
function! zeta_context#accept(part) abort
  if !zeta_context#has_prediction()
    return v:false
  endif
  if has_key(s:offer, 'file')
    let l:place = s:offer
    normal! m'
    execute 'hide edit' fnameescape(l:place.file)
    call setcursorcharpos(l:place.row + 1, l:place.column + 1)
    call s:ask('other')
    return v:true
  endif
  if line('.') != s:offer.row + 1
    normal! m'
    call setcursorcharpos(s:offer.row + 1, s:offer.column + 1)
    return v:true
  endif
  let l:taken = py3eval('zeta_vim.take("' .. a:part .. '")')
  call s:clear()
  let &l:undolevels = &l:undolevels
  let l:old = l:taken.end - l:taken.start
  let l:new = len(l:taken.lines)
  call setline(l:taken.start + 1, l:taken.lines[: min([l:old, l:new]) - 1])
  if l:new > l:old
    call append(l:taken.end, l:taken.lines[l:old :])
  elseif l:new < l:old
    silent call deletebufline('', l:taken.start + l:new + 1, l:taken.end)
  endif
  call listener_flush()
  call setcursorcharpos(l:taken.row + 1, l:taken.column + 1)
  let &l:undolevels = &l:undolevels
  call py3eval('zeta_vim.tell_accepted("' .. a:part .. '")')
  call s:ask(a:part ==# '' ? 'prediction_accepted' : 'prediction_partially_accepted')
  return v:true
endfunction

" Turn the prediction down; the same is not shown here again.
function! zeta_context#reject() abort
  if !zeta_context#has_prediction()
    return v:false
  endif
  call py3eval('zeta_vim.tell_rejected()')
  call s:clear()
  return v:true
endfunction

" For a statusline: what is offered, or why nothing is.
function! zeta_context#statusline() abort
  return zeta_context#has_prediction() ? 'zeta: ' .. s:offer.why : py3eval('zeta_vim.reason()')
endfunction

function! zeta_context#status() abort
  for l:line in py3eval('zeta_vim.status()')
    echomsg l:line
  endfor
endfunction

" Write down what was predicted wrongly, as a scenario, on this machine.
function! zeta_context#wrong() abort
  echomsg py3eval(printf('zeta_vim.wrong(%d, %d, %d)', bufnr(), line('.') - 1, charcol('.') - 1))
endfunction

" Install the library with uv or pipx, for the Python that is inside Vim.
function! zeta_context#install() abort
  let l:command = py3eval('zeta_vim.install_command()')
  if empty(l:command)
    echomsg 'zeta-context: install uv or pipx first'
    return
  endif
  echomsg 'running ' .. join(l:command)
  let s:told = []
  " Where it is looked for afterwards, whatever else they would choose.
  let l:bin = expand('~/.local/bin')
  let s:job = job_start(l:command, {
        \ 'env': extend({'UV_TOOL_BIN_DIR': l:bin, 'PIPX_BIN_DIR': l:bin}, environ()),
        \ 'callback': {_, line -> add(s:told, line)}, 'exit_cb': function('s:installed')})
endfunction

function! s:installed(job, status) abort
  call zeta_context#watch()
  redrawstatus
  echomsg a:status == 0 ? 'zeta-context is installed'
        \ : 'zeta-context was not installed: ' .. join(s:told[-2:])
endfunction
