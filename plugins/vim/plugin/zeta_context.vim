" Next-edit prediction for Vim 9 with +python3; nothing loads before the first change or move.
if exists('g:loaded_zeta_context') || !has('python3') || !has('textprop') || v:version < 900
  finish
endif
let g:loaded_zeta_context = 1

for [s:name, s:call] in [
      \ ['accept', "accept('')"], ['accept-word', "accept('word')"],
      \ ['accept-line', "accept('line')"], ['reject', 'reject()']]
  execute printf('nnoremap <silent> <Plug>(zeta-%s) <Cmd>call zeta_context#%s<CR>', s:name, s:call)
  execute printf('inoremap <silent> <Plug>(zeta-%s) <Cmd>call zeta_context#%s<CR>', s:name, s:call)
endfor

" Keys that are mapped already, and Tab, are left alone.
for [s:key, s:name] in items(get(g:, 'zeta_context_keys', {
      \ '<C-G><C-Y>': 'accept', '<C-G><C-W>': 'accept-word', '<C-G><C-N>': 'reject'}))
  for s:mode in ['n', 'i']
    if maparg(s:key, s:mode) ==# ''
      execute printf('%smap %s <Plug>(zeta-%s)', s:mode, s:key, s:name)
    endif
  endfor
endfor

command! ZetaInstall call zeta_context#install()
command! ZetaWrong call zeta_context#wrong()
command! ZetaStatus call zeta_context#status()

augroup zeta_context
  autocmd!
  autocmd BufReadPost,BufNewFile,InsertEnter * call zeta_context#watch()
augroup END
