" Settings for Idol files. Indents and line length are those of `idol fmt`.
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1

setlocal expandtab shiftwidth=4 softtabstop=4 textwidth=100
setlocal commentstring=//\ %s comments=s1:/*,mb:*,ex:*/,://
setlocal suffixesadd=.idol
" `gq` on the whole file; `:make` fills the quickfix list.
setlocal formatprg=idol\ fmt\ -
let &l:makeprg = "idol check %:S"
setlocal errorformat=%f:%l:%c:\ %trror:\ %m,%f:%l:%c:\ %tarning:\ %m,%f:%l:%c:\ %tote:\ %m,%-G%.%#

let b:undo_ftplugin = "setlocal expandtab< shiftwidth< softtabstop< textwidth< commentstring<"
      \ . " comments< suffixesadd< formatprg< makeprg< errorformat<"
